"""Articles on their way to every endpoint, from the first request at the receivers to the last record."""

from collections import Counter
from itertools import count
from time import monotonic

from sqlalchemy import select

from benchmarks.material import submission
from benchmarks.receivers import Receivers
from benchmarks.stand import DOMAIN, System
from publisher.ingest.record import record_all
from publisher.notify.endpoints.store import SHARDS
from publisher.notify.outcome import DeliveryState
from publisher.schema import DeliveryRow, MessageRow, ShardLeaseRow
from workers.embedded import Child

_TOGETHER = 100
_STARTS_WITHIN_S, _WITHIN_S = 30, 120


class Delivering:
    """A system whose articles go to receivers."""

    def __init__(self, system: System, receivers: Receivers) -> None:
        self.receivers = receivers
        self._system = system
        self._numbers = count()

    def start_pipeline(self) -> list[Child]:
        """Start what turns articles into deliveries; return its processes."""
        return [self._system.start(*argv) for argv in (["relay"], ["worker", "--concurrency", "1"])]

    def start_sender(self) -> Child:
        """Start one more sender; return it once all senders have as many shards each."""
        before = len(self._shares())
        sender = self._system.start("sender")
        even = [SHARDS // (before + 1)] * (before + 1)
        self._system.until(lambda: sorted(self._shares().values()) == even, within_s=_STARTS_WITHIN_S)
        return sender

    def publish(self, articles: int = 1) -> None:
        """Let new articles come in."""
        for done in range(0, articles, _TOGETHER):
            some = [submission(next(self._numbers)) for _ in range(min(_TOGETHER, articles - done))]
            with self._system.sessions.begin() as session:
                record_all(session, some, tag_domain=DOMAIN)

    def finish(self) -> None:
        """Return when every stage is done with every article."""
        self._system.until(lambda: not self._system.owed(), within_s=_WITHIN_S)

    def deliver(self, deliveries: int, *, after_ms: int = 0) -> float:
        """Publish one more article that makes so many deliveries; return how many of them a second."""
        self.receivers.begin(after_ms=after_ms)
        self.publish()
        per_s = self.per_s(deliveries)
        self.finish()
        return per_s

    def per_s(self, deliveries: int) -> float:
        """Return deliveries a second, from the first request to the last record, once so many are there."""
        self._system.until(lambda: self.receivers.tally().count >= deliveries, within_s=_WITHIN_S)
        self._system.until(lambda: not self._is_pending(), within_s=_WITHIN_S)
        return deliveries / (monotonic() - self.receivers.tally().first_at)

    def body(self) -> str:
        """Return what was sent last."""
        with self._system.sessions() as session:
            body = session.scalar(select(MessageRow.body).order_by(MessageRow.time.desc()).limit(1))
        assert body is not None
        return body.decode()

    def _is_pending(self) -> bool:
        pending = select(DeliveryRow.id).where(DeliveryRow.state == DeliveryState.PENDING).exists()
        with self._system.sessions() as session:
            return session.scalar(select(pending)) is True

    def _shares(self) -> Counter[object]:
        """Return how many shards each sender holds."""
        held = select(ShardLeaseRow.holder).where(ShardLeaseRow.holder.is_not(None))
        with self._system.sessions() as session:
            return Counter(session.scalars(held))
