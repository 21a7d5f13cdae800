"""`publisher demo`: articles go their whole way before the eyes of whoever started it.

`samples.py` reads the articles, `client.py` sends them in through the API like anybody else, `subscriber.py`
receives the webhooks and verifies them. `watch.py` finds out how far the articles are and notes it on the
`board.py`, `screen.py` shows it, `report.py` says at the end whether everything arrived; `show.py` is the
order of events.
"""
