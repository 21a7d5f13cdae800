"""Signing secrets: `box.py` encrypts them, `endpoint_secrets.py` says which of an endpoint's sign today.

Nothing else of `notify/` is imported here.
"""
