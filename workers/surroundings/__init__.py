"""What the processes stand on: whether PostgreSQL and Redis can be used, and what about them is not right.

`postgres.py` and `redis.py` refuse what cannot work, in one line. What works, but not well, is a `Concern`:
`concern.py` is what one is, `database_concerns.py`, `redis_concerns.py` and `crowding.py` find them.
"""
