"""Retention: what is older than it has to be kept goes, a slice a transaction, and nobody waits for it.

`retention.py` says what is old, `parts.py` where it may lie, `days.py` drops partitions whole, `rows.py`
deletes what lies among newer rows, `slices.py` goes through all of it. What is unfinished is never old.
"""
