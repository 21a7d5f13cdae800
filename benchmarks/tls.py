"""How many webhooks a second one sender process delivers over TLS, by new connections and by known ones."""

import time
from dataclasses import dataclass
from statistics import median

from benchmarks.certificates import TRUST, certify
from benchmarks.delivering import Delivering
from benchmarks.figure import Figure, Goal
from benchmarks.job import Job
from benchmarks.receivers import Receivers
from benchmarks.stand import Stand, System
from benchmarks.subscribing import subscribe

_ROUNDS = 2
# By then, a sender has let go of every connection that it kept for a next request.
_ALL_CLOSED_S = 5


@dataclass(frozen=True, kw_only=True)
class _Way:
    """How an article goes to its endpoints.

    Attributes:
        hosts: that the endpoints are spread over.
        at_least: the goal, in deliveries a second.
    """

    name: str
    database: str
    tls: bool
    endpoints: int
    hosts: int
    at_least: float | None = None


_WAYS = (
    _Way(
        name="5,000 hosts: plain", database="plain", tls=False, endpoints=5_000, hosts=5_000, at_least=3_000
    ),
    _Way(name="5,000 hosts: TLS", database="tls", tls=True, endpoints=5_000, hosts=5_000, at_least=700),
    _Way(name="500 hosts: TLS", database="tls_known", tls=True, endpoints=5_000, hosts=500),
)


def measure(stand: Stand) -> list[Figure]:
    """Deliver to hosts of which each takes a new connection, and to a few that are asked again and again."""
    return [figure for way in _WAYS for figure in _figures(stand, way)]


def _figures(stand: Stand, way: _Way) -> list[Figure]:
    with System(stand, way.database) as system:
        receivers = _receivers(system, way)
        urls = [receivers.url(1 + number % way.hosts) for number in range(way.endpoints)]
        subscribe(system, urls)
        delivering = Delivering(system, receivers)
        delivering.start_pipeline()
        delivering.start_sender()
        rounds = [_round(delivering, way) for _ in range(_ROUNDS)]
        loop = Job(system, receivers, urls, body=delivering.body()).per_s()
    connections = median(connections for _, connections in rounds)
    return [
        Figure(
            name=way.name,
            value=median(per_s for per_s, _ in rounds),
            unit="deliveries/s",
            baseline=loop,
            beside="the same client in a bare loop",
            goal=Goal(bound=way.at_least) if way.at_least else None,
        ),
        Figure(
            name=f"{way.name}, opened",
            value=connections,
            unit="connections",
            baseline=way.endpoints,
            beside="deliveries",
        ),
    ]


def _receivers(system: System, way: _Way) -> Receivers:
    if not way.tls:
        return Receivers(system)
    certificates = certify(way.hosts, system.folder / "certificates")
    system.environment[TRUST] = str(certificates.authority)
    return Receivers(system, certificates=certificates.shown)


def _round(delivering: Delivering, way: _Way) -> tuple[float, int]:
    """Return deliveries a second, and how many connections were opened for them."""
    if way.hosts == way.endpoints:
        time.sleep(_ALL_CLOSED_S)
    per_s = delivering.deliver(way.endpoints)
    return per_s, delivering.receivers.tally().connections
