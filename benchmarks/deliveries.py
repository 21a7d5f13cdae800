"""How many webhooks a second one sender process delivers: one article, 10,000 endpoints on as many hosts."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks import baseline_tasks
from benchmarks.delivering import Delivering
from benchmarks.figure import Figure, Goal, Of
from benchmarks.job import Job
from benchmarks.receivers import Receivers
from benchmarks.stand import Stand, System
from benchmarks.subscribing import subscribe

_ENDPOINTS = 10_000
_ROUNDS = 3
_WITHIN_S = 60
_SLOW_MS = 50
# At a task a delivery and 50 ms each, all of them would take nine minutes.
_TASKS, _SLOW_TASKS = 5_000, 200


@dataclass(frozen=True, kw_only=True)
class Rates:
    """Deliveries a second of the sender, and of what it is compared with."""

    sender: float
    loop: float
    tasks: float


def measure(stand: Stand) -> list[Figure]:
    """Let the sender and the bare loop take turns, with receivers that answer at once, and with slow ones."""
    with System(stand, "deliveries") as system:
        receivers = Receivers(system)
        urls = [receivers.url(1 + number) for number in range(_ENDPOINTS)]
        subscribe(system, urls)
        delivering = Delivering(system, receivers)
        delivering.start_pipeline()
        delivering.start_sender()
        delivering.deliver(_ENDPOINTS)  # so that everything is warm, and there is a body to compare with
        compared = _Compared(system, delivering, urls)
        at_once = compared.rates(after_ms=0, tasks=_TASKS)
        slow = compared.rates(after_ms=_SLOW_MS, tasks=_SLOW_TASKS)
    return [
        *_figures(0, at_once, of_loop=0.6, of_tasks=5),
        *_figures(_SLOW_MS, slow, of_loop=None, of_tasks=100),
    ]


def _figures(after_ms: int, rates: Rates, *, of_loop: float | None, of_tasks: float) -> list[Figure]:
    against = (
        ("loop", "the same client in a bare loop", rates.loop, of_loop),
        ("tasks", "a Celery task a delivery", rates.tasks, of_tasks),
    )
    return [
        Figure(
            name=f"deliveries {after_ms} ms: {name}",
            value=rates.sender,
            unit="deliveries/s",
            baseline=baseline,
            beside=beside,
            goal=Goal(bound=bound, of=Of.RATIO) if bound else None,
        )
        for name, beside, baseline, bound in against
    ]


class _Compared:
    """The sender, and what it is compared with."""

    def __init__(self, system: System, delivering: Delivering, urls: Sequence[str]) -> None:
        self._system = system
        self._delivering = delivering
        self._urls = urls
        self._body = delivering.body()
        self._job = Job(system, delivering.receivers, urls, body=self._body)

    def rates(self, *, after_ms: int, tasks: int) -> Rates:
        loop, sender = [], []
        for _ in range(_ROUNDS):
            loop.append(self._job.per_s(after_ms=after_ms))
            sender.append(self._delivering.deliver(_ENDPOINTS, after_ms=after_ms))
        in_tasks = self._in_tasks(after_ms=after_ms, count=tasks)
        return Rates(sender=median(sender), loop=median(loop), tasks=in_tasks)

    def _in_tasks(self, *, after_ms: int, count: int) -> float:
        """Return requests a second of a Celery worker; the queue is full before it starts."""
        receivers = self._delivering.receivers
        receivers.begin(after_ms=after_ms)
        wanted = [(url, self._body) for url in self._urls[:count]]
        baseline_tasks.send(self._system.redis_url, "deliver", wanted)
        worker = self._system.run("benchmarks.baseline_tasks")
        self._system.until(lambda: receivers.tally().count >= count, within_s=_WITHIN_S, every_s=0.2)
        self._system.end(worker)
        return receivers.tally().per_s
