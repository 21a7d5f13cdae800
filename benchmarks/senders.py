"""What a second sender process adds, with 50 requests in flight each, at receivers that take 50 ms."""

from statistics import median

from benchmarks.delivering import Delivering
from benchmarks.figure import Figure, Goal, Of
from benchmarks.receivers import Receivers
from benchmarks.stand import Stand, System
from benchmarks.subscribing import subscribe

_ENDPOINTS = 3_000
_SLOTS = 50
_AFTER_MS = 50
_ROUNDS = 3


def measure(stand: Stand) -> list[Figure]:
    """Deliver articles with one sender, then with two."""
    with System(stand, "senders") as system:
        system.environment["PUBLISHER_SENDER_SLOTS"] = str(_SLOTS)
        receivers = Receivers(system)
        subscribe(system, [receivers.url(1 + number) for number in range(_ENDPOINTS)])
        delivering = Delivering(system, receivers)
        delivering.start_pipeline()
        one, two = _with_one_more(delivering), _with_one_more(delivering)
    return [
        Figure(
            name="two senders of 50",
            value=two,
            unit="deliveries/s",
            baseline=one,
            beside=f"one sender, also with {_SLOTS} requests in flight",
            goal=Goal(bound=1.8, of=Of.RATIO),
        )
    ]


def _with_one_more(delivering: Delivering) -> float:
    delivering.start_sender()
    delivering.deliver(_ENDPOINTS, after_ms=_AFTER_MS)  # so that it is warm
    return median(delivering.deliver(_ENDPOINTS, after_ms=_AFTER_MS) for _ in range(_ROUNDS))
