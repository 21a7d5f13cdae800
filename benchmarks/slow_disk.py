"""How many articles a second are accepted, one a request, where every commit takes 3 ms."""

import time
from collections.abc import Mapping
from itertools import chain
from statistics import median

from sqlalchemy import text

from benchmarks.figure import Figure
from benchmarks.stand import Stand, System
from publisher.access import Scope

_COMMIT_US = 3_000
# Who writes the log sleeps first, and lets everybody ride along who comes meanwhile; 0: even when alone.
_SLOW = {"commit_delay": str(_COMMIT_US), "commit_siblings": "0"}
_CLIENTS = (8, 32)
_SECONDS = 3
_COMMITS = 100
Rates = Mapping[tuple[str, int], float]


def measure(stand: Stand) -> list[Figure]:
    """Accept on the disk as it is and on the slow one; beside us, a server that inserts a row a request."""
    with System(stand, "quick_disk") as system:
        quick_ms, quick = _commit_ms(system), _accepts_per_s(system)
    with System(stand, "slow_disk", _SLOW) as system:
        slow_ms, slow = _commit_ms(system), _accepts_per_s(system)
    commit = Figure(
        name="3 ms: a commit", value=slow_ms, unit="ms", baseline=quick_ms, beside="this disk as it is"
    )
    return [commit, *chain.from_iterable(_figures(clients, quick, slow) for clients in _CLIENTS)]


def _figures(clients: int, quick: Rates, slow: Rates) -> list[Figure]:
    against = (
        ("row", "FastAPI that inserts one row a request", slow["row", clients]),
        ("quick", "ours on this disk as it is", quick["ours", clients]),
    )
    return [
        Figure(
            name=f"3 ms, {clients} clients: {name}",
            value=slow["ours", clients],
            unit="articles/s",
            baseline=baseline,
            beside=beside,
        )
        for name, beside, baseline in against
    ]


def _accepts_per_s(system: System) -> Rates:
    key = system.key(Scope.ARTICLES_WRITE)
    servers = {"row": system.serve("benchmarks.baseline_row"), "ours": system.start_web()}
    return {
        (name, clients): float(
            system.result_of("benchmarks.load", url, key, "single", str(_SECONDS), str(clients))["per_s"]
        )
        for clients in _CLIENTS
        for name, url in servers.items()
    }


def _commit_ms(system: System) -> float:
    """Return how long a commit takes of one who writes alone."""
    with system.sessions() as session:
        session.execute(text("CREATE TABLE committed (number integer)"))
        session.commit()
        taken = []
        for number in range(_COMMITS):
            session.execute(text("INSERT INTO committed VALUES (:number)"), {"number": number})
            started = time.monotonic()
            session.commit()
            taken.append(time.monotonic() - started)
    return median(taken) * 1000
