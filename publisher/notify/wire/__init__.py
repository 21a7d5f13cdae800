"""HTTP to receivers that hang, lie or attack: `client.py`, over connections that go only where they may.

Nothing else of the package names httpx or aiohttp. The room is given a request and returns an answer; it
knows no endpoint, no delivery and no record.
"""
