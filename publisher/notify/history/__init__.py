"""What was sent to whom, and how each attempt ended: shown by `deliveries.py`, forgotten by `expunge.py`.

Of `notify/` only outcomes are imported.
"""
