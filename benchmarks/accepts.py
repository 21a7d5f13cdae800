"""How many articles a second the web process accepts, one a request and many in one."""

from benchmarks.figure import Figure, Goal
from benchmarks.stand import Stand, System
from publisher.access import Scope

_SINGLE_S = 6
_BULK_LINES = 4_000


def measure(stand: Stand) -> list[Figure]:
    """Send articles to the web process, and the same to a server that only reads and answers them."""
    with System(stand, "accepts") as system:
        bare = system.serve("benchmarks.baseline_web")
        web = system.start_web()
        key = system.key(Scope.ARTICLES_WRITE)
        single = [_per_s(system, url, key, "single", _SINGLE_S) for url in (bare, web)]
        bulk = [_per_s(system, url, key, "bulk", _BULK_LINES) for url in (bare, web)]
    return [
        _figure("accepts, single", *single),
        _figure("accepts, bulk", *bulk),
    ]


def _per_s(system: System, url: str, key: str, kind: str, amount: int) -> float:
    return float(system.result_of("benchmarks.load", url, key, kind, str(amount))["per_s"])


def _figure(name: str, baseline: float, value: float) -> Figure:
    return Figure(
        name=name,
        value=value,
        unit="articles/s",
        baseline=baseline,
        beside="FastAPI that only answers the body",
        goal=Goal(bound=500),
    )
