"""The past, sent again: `past.py` says what, `selection.py` finds it, `replay.py` makes it due, in slices.

Nothing is sent from here. The room knows endpoints, and no sender.
"""
