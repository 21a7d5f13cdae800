"""Whether the next articles cost more with 100,000 stored ones than with 1,000, or with 10,000 feeds."""

from itertools import count
from statistics import median

from sqlalchemy import func, select, text

from benchmarks.figure import Figure, Goal, Of
from benchmarks.filling import add_feeds, multiply
from benchmarks.material import submission
from benchmarks.receivers import Receivers
from benchmarks.stand import DOMAIN, SECRET_KEY, Stand, System
from publisher.access import Scope
from publisher.ingest.record import record_all
from publisher.notify.endpoint_in import EndpointIn
from publisher.notify.endpoints import create
from publisher.notify.outcome import DeliveryState
from publisher.notify.secrets import SecretBox
from publisher.schema import DeliveryRow, StepRow

_FEW, _TIMES = 1_000, 100
_FEEDS = 10_000
_MORE, _TOGETHER = 400, 100
_ROUNDS = 3
_ACCEPTING_S = 2
_WITHIN_S = 300
# At most 1.3 times the time an article.
_FLAT = Goal(bound=0.77, of=Of.RATIO)


def measure(stand: Stand) -> list[Figure]:
    """Let an archive of 1,000 articles, one a hundred times as large, and one of many feeds take turns."""
    with (
        System(stand, "few_articles") as few,
        System(stand, "many_articles") as many,
        System(stand, "many_feeds") as other,
    ):
        small, large, wide = _Archive(few), _Archive(many), _Archive(other)
        for archive in (small, large, wide):
            archive.publish_the_first()
        large.multiply()
        wide.add_feeds()
        rounds = [
            (small.published_per_s(), large.published_per_s(), wide.published_per_s()) for _ in range(_ROUNDS)
        ]
        published = [
            _figure("100,000: articles", [(one[0], one[1]) for one in rounds]),
            _figure("10,000 feeds: articles", [(one[0], one[2]) for one in rounds], beside="with 10 feeds"),
        ]
        small.open()
        large.open()
        accepting = [(small.accepts_per_s(), large.accepts_per_s()) for _ in range(_ROUNDS)]
        accepted = _figure("100,000: accepts", accepting)
    return [*published, accepted]


def _figure(name: str, rounds: list[tuple[float, float]], *, beside: str = "with 1,000 stored") -> Figure:
    return Figure(
        name=name,
        value=median(large for _, large in rounds),
        unit="articles/s",
        baseline=median(small for small, _ in rounds),
        beside=f"the same {beside}",
        goal=_FLAT,
    )


class _Archive:
    """A system that has stored some articles, and takes more."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._numbers = count()
        self._url = self._key = ""

    def publish_the_first(self) -> None:
        """Take 1,000 articles from received to delivered, as every one that follows."""
        system, receivers = self._system, Receivers(self._system)
        with system.sessions.begin() as session:
            create(session, EndpointIn(url=receivers.url(1)), box=SecretBox(SECRET_KEY))
        self._record(_FEW)
        children = [system.start(*argv) for argv in (["relay"], ["worker"], ["sender"])]
        system.until(self._is_delivered, within_s=_WITHIN_S, every_s=0.2)
        for child in children:
            system.end(child)
        self._tidy()

    def multiply(self) -> None:
        """Store copies of them."""
        with self._system.sessions.begin() as session:
            multiply(session, _TIMES)
        self._tidy()

    def add_feeds(self) -> None:
        """Have 10,000 feeds besides."""
        with self._system.sessions.begin() as session:
            add_feeds(session, _FEEDS)
        self._tidy()

    def published_per_s(self) -> float:
        """Return how many more articles a second go through every stage but the sender's."""
        with self._system.sessions() as session:
            before = session.scalar(select(func.clock_timestamp()))
        self._record(_MORE)
        children = [self._system.start(*argv) for argv in (["relay"], ["worker", "--concurrency", "1"])]
        self._system.until(lambda: self._system.owed() == 0, within_s=_WITHIN_S, every_s=0.1)
        for child in children:
            self._system.end(child)
        took = func.max(StepRow.ended_at) - func.min(StepRow.started_at)
        with self._system.sessions() as session:
            seconds = session.scalar(select(func.extract("epoch", took)).where(StepRow.ended_at > before))
        assert seconds is not None
        return _MORE / float(seconds)

    def open(self) -> None:
        """Start the web process."""
        self._url = self._system.start_web()
        self._key = self._system.key(Scope.ARTICLES_WRITE)

    def accepts_per_s(self) -> float:
        """Return how many articles a second the API accepts, one a request."""
        amount = str(_ACCEPTING_S)
        loaded = self._system.result_of("benchmarks.load", self._url, self._key, "single", amount)
        return float(loaded["per_s"])

    def _record(self, articles: int) -> None:
        for _ in range(articles // _TOGETHER):
            some = [submission(next(self._numbers)) for _ in range(_TOGETHER)]
            with self._system.sessions.begin() as session:
                record_all(session, some, tag_domain=DOMAIN)

    def _is_delivered(self) -> bool:
        delivered = select(func.count()).where(DeliveryRow.state == DeliveryState.SUCCEEDED)
        with self._system.sessions() as session:
            return self._system.owed() == 0 and session.scalar(delivered) == _FEW

    def _tidy(self) -> None:
        """Leave nothing to autovacuum and the checkpointer that would fall into a measurement."""
        with self._system.sessions() as session:
            connection = session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
            connection.execute(text("VACUUM ANALYZE"))
            connection.execute(text("CHECKPOINT"))
