"""`publisher doctor`: look at everything that the system stands on, and say what to do.

A check is a function that yields findings (`finding.py`): of this machine (`machine.py`), of PostgreSQL
(`postgres.py`, `tables.py`), of Redis (`redis.py`), of the system itself (`work.py`). `examination.py` makes
all of them, as far as what they need answers.
"""
