"""Whether 50,000 deliveries take as long when they go to 100 endpoints as when they go to 50,000."""

from benchmarks.delivering import Delivering
from benchmarks.figure import Figure, Goal, Of
from benchmarks.receivers import Receivers
from benchmarks.stand import Stand, System
from benchmarks.subscribing import subscribe

_DELIVERIES = 50_000
_FEW = 100
# By default, an endpoint takes so few requests at a time that a sender's slots are never full with 100.
_MAX_IN_FLIGHT = 100


def measure(stand: Stand) -> list[Figure]:
    """Let all of it wait, then start a sender."""
    few = _per_s(stand, "few_endpoints", _FEW)
    many = _per_s(stand, "many_endpoints", _DELIVERIES)
    return [
        Figure(
            name="50,000 over 50,000",
            value=many,
            unit="deliveries/s",
            baseline=few,
            beside="50,000 deliveries to 100 endpoints",
            goal=Goal(bound=0.8, of=Of.LIKENESS),
        )
    ]


def _per_s(stand: Stand, name: str, endpoints: int) -> float:
    with System(stand, name) as system:
        receivers = Receivers(system)
        urls = [receivers.url(1 + number) for number in range(endpoints)]
        subscribe(system, urls, max_in_flight=_MAX_IN_FLIGHT)
        delivering = Delivering(system, receivers)
        pipeline = delivering.start_pipeline()
        delivering.publish(_DELIVERIES // endpoints)
        delivering.finish()
        for one in pipeline:
            system.end(one)
        system.tidy()
        receivers.begin(after_ms=0)
        system.start("sender")
        return delivering.per_s(_DELIVERIES)
