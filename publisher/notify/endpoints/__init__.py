"""Endpoints: what clients say of them, what they ask for, and what becomes of them, from made to deleted.

`store.py` keeps them. The room knows `secrets/` and the rules for addresses in `wire/`, and nothing of how
deliveries are made or sent.
"""
