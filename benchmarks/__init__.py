"""`make bench`: how fast the system is on this machine, beside what it could be; docs/benchmarks.md explains.

`stand.py` starts servers and processes, one module a measurement does the measuring (`articles.py`,
`accepts.py`, `latency.py`, `deliveries.py`, `costs.py`, `slow_disk.py`, `growth.py`, `bloat.py`),
`baseline_*.py` are what they are compared with, `counters.py` and `statements.py` are what the servers tell
of themselves, `figure.py` and `report.py` are what comes of it.
"""
