"""Whether deliveries take as long when they go to few endpoints or hosts as when they go to many."""

from dataclasses import dataclass

from benchmarks.delivering import Delivering
from benchmarks.figure import Figure, Goal, Of
from benchmarks.receivers import Receivers
from benchmarks.stand import Stand, System
from benchmarks.subscribing import subscribe

# By default, an endpoint takes so few requests at a time that a sender's slots are never full with 100.
_MAX_IN_FLIGHT = 100
_LIKE = Goal(bound=0.8, of=Of.LIKENESS)


@dataclass(frozen=True, kw_only=True)
class _Way:
    """How deliveries are spread.

    Attributes:
        hang_up: receivers hang up after each answer, so that every request goes by a new connection.
    """

    deliveries: int
    endpoints: int
    hosts: int
    hang_up: bool = False


_FEW = _Way(deliveries=50_000, endpoints=100, hosts=100)
_MANY = _Way(deliveries=50_000, endpoints=50_000, hosts=100)
_APART = _Way(deliveries=50_000, endpoints=50_000, hosts=50_000)
_FEW_HOSTS = _Way(deliveries=10_000, endpoints=10_000, hosts=100, hang_up=True)
_MANY_HOSTS = _Way(deliveries=10_000, endpoints=10_000, hosts=10_000, hang_up=True)


def measure(stand: Stand) -> list[Figure]:
    """Let all of it wait, then start a sender."""
    few, many, apart = (_per_s(stand, one) for one in (_FEW, _MANY, _APART))
    few_hosts, many_hosts = _per_s(stand, _FEW_HOSTS), _per_s(stand, _MANY_HOSTS)
    return [
        _figure("50,000 over 50,000", many, few, "over 100 endpoints, of the same 100 hosts", _LIKE),
        _figure("50,000 over as many hosts", apart, few, "over 100 endpoints, each of a host"),
        _figure("10,000 hosts", many_hosts, few_hosts, "over 100 hosts, by new connections, too", _LIKE),
    ]


def _figure(name: str, value: float, baseline: float, beside: str, goal: Goal | None = None) -> Figure:
    return Figure(name=name, value=value, unit="deliveries/s", baseline=baseline, beside=beside, goal=goal)


def _per_s(stand: Stand, way: _Way) -> float:
    with System(stand, f"over_{way.endpoints}_of_{way.hosts}") as system:
        receivers = Receivers(system)
        urls = [f"{receivers.url(1 + number % way.hosts)}/{number}" for number in range(way.endpoints)]
        subscribe(system, urls, max_in_flight=_MAX_IN_FLIGHT)
        delivering = Delivering(system, receivers)
        pipeline = delivering.start_pipeline()
        delivering.publish(way.deliveries // way.endpoints)
        delivering.finish()
        for one in pipeline:
            system.end(one)
        system.tidy()
        receivers.begin(after_ms=0, hang_up=way.hang_up)
        system.start("sender")
        return delivering.per_s(way.deliveries)
