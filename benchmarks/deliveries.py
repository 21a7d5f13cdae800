"""How many webhooks a second one sender process delivers: one article, 5,000 endpoints, 1,000 addresses."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from time import monotonic
from uuid import UUID

from sqlalchemy import func, select

from benchmarks import baseline_tasks
from benchmarks.figure import Figure, Goal, Of
from benchmarks.material import submission
from benchmarks.receivers import Receivers
from benchmarks.stand import DOMAIN, SECRET_KEY, CannotMeasure, Stand, System
from publisher.ingest.record import record
from publisher.notify.endpoint_in import EndpointIn
from publisher.notify.endpoints import create
from publisher.notify.outcome import DeliveryState
from publisher.notify.secrets import SecretBox
from publisher.schema import DeliveryRow, MessageRow, ShardLeaseRow

_ENDPOINTS = 5_000
_ADDRESSES = 1_000
_ROUNDS = 3
_WITHIN_S = 60
_SLOW_MS = 50
# At a task a delivery and 50 ms each, all of them would take more than four minutes.
_SLOW_TASKS = 200


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
        urls = [receivers.url(1 + number % _ADDRESSES) for number in range(_ENDPOINTS)]
        _subscribe(system, urls)
        for argv in (["relay"], ["worker", "--concurrency", "1"], ["sender"]):
            system.start(*argv)
        system.until(lambda: _held_shards(system), within_s=30)
        article = _Articles(system, receivers)
        article.deliver(after_ms=0)  # so that everything is warm, and there is a body to compare with
        job = _Job(system, receivers, urls, body=article.body())
        at_once = _rates(article, job, after_ms=0, tasks=_ENDPOINTS)
        slow = _rates(article, job, after_ms=_SLOW_MS, tasks=_SLOW_TASKS)
    return [
        *_figures(0, at_once, of_loop=0.5, of_tasks=2),
        *_figures(_SLOW_MS, slow, of_loop=None, of_tasks=50),
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


def _rates(article: "_Articles", job: "_Job", *, after_ms: int, tasks: int) -> Rates:
    loop, sender = [], []
    for _ in range(_ROUNDS):
        loop.append(job.in_a_loop(after_ms=after_ms))
        sender.append(article.deliver(after_ms=after_ms))
    return Rates(sender=median(sender), loop=median(loop), tasks=job.in_tasks(after_ms=after_ms, count=tasks))


class _Articles:
    """Publishes articles and watches them being delivered to every endpoint."""

    def __init__(self, system: System, receivers: Receivers) -> None:
        self._system = system
        self._receivers = receivers
        self._number = 0

    def deliver(self, *, after_ms: int) -> float:
        """Publish one more article; return deliveries a second, from the first request to the last record."""
        self._receivers.begin(after_ms=after_ms)
        self._number += 1
        with self._system.sessions.begin() as session:
            article = record(session, submission(self._number), tag_domain=DOMAIN).article_id
        self._system.until(lambda: self._receivers.tally().count >= _ENDPOINTS, within_s=_WITHIN_S)
        self._system.until(lambda: self._succeeded(article) == _ENDPOINTS, within_s=_WITHIN_S)
        seconds = monotonic() - self._receivers.tally().first_at
        self._system.until(lambda: self._system.owed() == 0, within_s=_WITHIN_S)
        return _ENDPOINTS / seconds

    def body(self) -> str:
        """Return what was sent last."""
        with self._system.sessions() as session:
            body = session.scalar(select(MessageRow.body).order_by(MessageRow.time.desc()).limit(1))
        assert body is not None
        return body.decode()

    def _succeeded(self, article: UUID) -> int:
        succeeded = select(func.count()).where(
            DeliveryRow.article_id == article, DeliveryRow.state == DeliveryState.SUCCEEDED
        )
        with self._system.sessions() as session:
            return session.scalar(succeeded) or 0


class _Job:
    """The same requests, made by what the sender is compared with."""

    def __init__(self, system: System, receivers: Receivers, urls: Sequence[str], *, body: str) -> None:
        self._system = system
        self._receivers = receivers
        self._urls = urls
        self._body = body
        self._file = system.folder / "job.json"
        self._file.write_text(json.dumps({"urls": urls, "body": body}), "utf-8")

    def in_a_loop(self, *, after_ms: int) -> float:
        """Return requests a second of the bare loop."""
        self._receivers.begin(after_ms=after_ms)
        succeeded = self._system.result_of("benchmarks.baseline_loop", str(self._file))["succeeded"]
        if succeeded != len(self._urls):
            raise CannotMeasure(f"the bare loop delivered {succeeded} of {len(self._urls)}")
        return self._receivers.tally().per_s

    def in_tasks(self, *, after_ms: int, count: int) -> float:
        """Return requests a second of a Celery worker; the queue is full before it starts."""
        self._receivers.begin(after_ms=after_ms)
        wanted = [(url, self._body) for url in self._urls[:count]]
        baseline_tasks.send(self._system.redis_url, "deliver", wanted)
        worker = self._system.run("benchmarks.baseline_tasks")
        self._system.until(lambda: self._receivers.tally().count >= count, within_s=_WITHIN_S, every_s=0.2)
        self._system.end(worker)
        return self._receivers.tally().per_s


def _subscribe(system: System, urls: Sequence[str]) -> None:
    box = SecretBox(SECRET_KEY)
    with system.sessions.begin() as session:
        for url in urls:
            create(session, EndpointIn(url=url), box=box)


def _held_shards(system: System) -> bool:
    free = select(ShardLeaseRow.shard).where(ShardLeaseRow.holder.is_(None)).exists()
    with system.sessions() as session:
        return session.scalar(select(~free)) is True
