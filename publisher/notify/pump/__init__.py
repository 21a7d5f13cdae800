"""The sender's event loop: claim, send, record, for as long as shards are ours.

`pump.py` turns, `attempt.py` tries once, `in_hand.py` is what is not recorded yet. The room may import every
other one of `notify/`, and none of them imports it.
"""
