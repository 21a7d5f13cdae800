"""Whether the next articles cost more with 1,000 or 100,000 stored ones, or with as many feeds."""

from contextlib import ExitStack
from itertools import count
from statistics import median

from sqlalchemy import func, select

from benchmarks.figure import Figure, Goal, Of
from benchmarks.filling import add_feeds, multiply
from benchmarks.material import submission
from benchmarks.receivers import Receivers
from benchmarks.stand import DOMAIN, SECRET_KEY, Stand, System
from publisher.access import Scope
from publisher.ingest.record import record_all
from publisher.notify.endpoints.endpoint_in import EndpointIn
from publisher.notify.endpoints.store import create
from publisher.notify.outcome import DeliveryState
from publisher.notify.secrets.box import SecretBox
from publisher.schema import DeliveryRow, StepRow

_SYSTEMS = ("ten_articles", "few_articles", "many_articles", "some_feeds", "many_feeds")
_FEWEST, _FEW, _TIMES = 10, 1_000, 100
_SOME_FEEDS, _FEEDS = 1_000, 10_000
_MORE, _TOGETHER = 400, 100
_ROUNDS = 3
_ACCEPTING_S = 2
_WITHIN_S = 300
# At most 1.3 times the time an article.
_FLAT = Goal(bound=0.77, of=Of.RATIO)


def measure(stand: Stand) -> list[Figure]:
    """Let archives of more and more articles, and of more and more feeds, take turns."""
    with ExitStack() as held:
        tiny, small, large, wide, widest = (
            _Archive(held.enter_context(System(stand, name))) for name in _SYSTEMS
        )
        tiny.publish_the_first(_FEWEST)
        for archive in (small, large, wide, widest):
            archive.publish_the_first(_FEW)
        large.multiply()
        wide.add_feeds(_SOME_FEEDS)
        widest.add_feeds(_FEEDS)
        rounds = [
            [one.published_per_s() for one in (tiny, small, large, wide, widest)] for _ in range(_ROUNDS)
        ]
        published = [
            _figure("1,000: articles", [(one[0], one[1]) for one in rounds], beside="with 10 stored"),
            _figure("100,000: articles", [(one[1], one[2]) for one in rounds]),
            _figure("1,000 feeds: articles", [(one[1], one[3]) for one in rounds], beside="with 10 feeds"),
            _figure("10,000 feeds: articles", [(one[1], one[4]) for one in rounds], beside="with 10 feeds"),
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

    def publish_the_first(self, articles: int) -> None:
        """Take articles from received to delivered, as every one that follows."""
        system, receivers = self._system, Receivers(self._system)
        with system.sessions.begin() as session:
            create(session, EndpointIn(url=receivers.url(1)), box=SecretBox(SECRET_KEY))
        self._record(articles)
        children = [system.start(*argv) for argv in (["relay"], ["worker"], ["sender"])]
        system.until(lambda: self._are_delivered(articles), within_s=_WITHIN_S, every_s=0.2)
        for child in children:
            system.end(child)
        system.tidy()

    def multiply(self) -> None:
        """Store copies of them."""
        with self._system.sessions.begin() as session:
            multiply(session, _TIMES)
        self._system.tidy()

    def add_feeds(self, feeds: int) -> None:
        """Have so many feeds besides."""
        with self._system.sessions.begin() as session:
            add_feeds(session, feeds)
        self._system.tidy()

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
        for done in range(0, articles, _TOGETHER):
            together = min(_TOGETHER, articles - done)
            some = [submission(next(self._numbers)) for _ in range(together)]
            with self._system.sessions.begin() as session:
                record_all(session, some, tag_domain=DOMAIN)

    def _are_delivered(self, articles: int) -> bool:
        delivered = select(func.count()).where(DeliveryRow.state == DeliveryState.SUCCEEDED)
        with self._system.sessions() as session:
            return self._system.owed() == 0 and session.scalar(delivered) == articles
