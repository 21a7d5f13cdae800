"""What a sender remembers between its looks: whom it is sending to, who is slow, fails, or has a backlog.

It is gone with the process, and asks neither database nor network; `room.py` is the copy that another thread
may read. Of `notify/` only `claimed.py` and `outcome.py` are imported.
"""
