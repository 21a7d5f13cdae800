"""`make bench`: how fast the system is on this machine, beside what it could be; docs/benchmarks.md explains.

`stand.py` starts servers and processes, one module a measurement does the measuring (`articles.py`,
`accepts.py`, `latency.py`, `feeds.py`, `costs.py`, `slow_disk.py`, `growth.py`, `bloat.py`; of deliveries
`deliveries.py`, `senders.py`, `spread.py`, `fan_out.py`, `tls.py`, `hanging.py`, `waiting.py`).
`material.py`, `subscribing.py`, `delivering.py`, `receivers.py` and `certificates.py` are articles, endpoints
and those who get webhooks, `baseline_*.py` what is compared with, `counters.py` and `statements.py` what the
servers tell of themselves, `figure.py` and `report.py` what comes of it.
"""
