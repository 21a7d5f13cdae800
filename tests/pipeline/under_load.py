"""All four processes at work, started again when they end, and the ledgers by which their work is judged."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TypeVar

import httpx
from sqlalchemy import func, select

from publisher.access import create_key
from publisher.events import EventType
from publisher.notify.fan_out.message import message_name
from publisher.outbox.watch import stuck
from publisher.schema import AttemptRow, DeliveryRow, EndpointRow
from tests.free_ports import free_port
from tests.pipeline.clients import Clients, Ledger
from tests.pipeline.forked import Forked
from tests.pipeline.system import System
from tests.receivers import Receivers
from tests.waiting import eventually

# What docker-compose waits before it starts again what ended: a moment, then twice as long, within limits.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 2.0
_LONG_FEED = {"PUBLISHER_FEED_LENGTH": "1000"}
_PAST = {"since": "2020-01-01T00:00:00Z", "states": ["missing"]}
_STAGES = {"enrich": EventType.ARTICLE_ENRICHED, "publish": EventType.ARTICLE_PUBLISHED}
Seen = TypeVar("Seen")


class _Kept:
    """A process that is started again, a little later each time, when it has ended."""

    def __init__(self, start: Callable[[], Forked]) -> None:
        self.child = start()
        self.endings = 0
        self._start = start
        self._start_at: float | None = None

    def tend(self) -> None:
        if self.child.running:
            return
        if self._start_at is None:
            pause_s = min(_FIRST_PAUSE_S * 2**self.endings, _LONGEST_PAUSE_S)
            self.endings += 1
            self._start_at = time.monotonic() + pause_s
        if time.monotonic() >= self._start_at:
            self.child, self._start_at = self._start(), None


class UnderLoad:
    """The whole system, its clients, and the receivers of its endpoints."""

    def __init__(self, system: System, receivers: Receivers, *, endpoints: int = 2) -> None:
        """Start everything, register the endpoints, and return once all of it works."""
        self.system = system
        self.receivers = receivers
        self.ledger = Ledger()
        self.processes = {name: _Kept(self._starting(name)) for name in ("relay", "worker", "sender")}
        port = free_port()
        self.processes["web"] = _Kept(self._starting("web", "--port", str(port)))
        self.base_url = f"http://127.0.0.1:{port}"
        with system.sessions.begin() as session:
            _, self._key = create_key(session, name="tests", scopes=["admin"])
        self.api = httpx.Client(
            base_url=self.base_url, headers={"Authorization": f"Bearer {self._key}"}, trust_env=False
        )
        self.eventually(lambda: self._status("/readyz") == 200, within_s=40)
        self.endpoints = [self.register(number) for number in range(endpoints)]

    def register(self, number: int) -> str:
        """Make an endpoint of the receivers; return its id."""
        url = self.receivers.url(f"/{number}", host=number + 1)
        made = self.api.post("/v1/endpoints", json={"url": url})
        assert made.status_code == 201, made.text
        identifier: str = made.json()["id"]
        return identifier

    def replay_to_a_new_endpoint(self) -> int:
        """Register another endpoint, and have sent to it what there was before; return how many messages."""
        endpoint = self.register(len(self.endpoints))
        self.endpoints.append(endpoint)
        asked = self.api.post(f"/v1/endpoints/{endpoint}/replay", json=_PAST)
        assert asked.status_code == 202, asked.text
        return int(asked.json()["replayed"])

    def clients(self, *, count: int = 2, pause_s: float = 0.2) -> Clients:
        """Return clients of this system that do nothing yet."""
        return Clients(self.base_url, self._key, self.ledger, count=count, pause_s=pause_s)

    def pids(self) -> dict[str, int]:
        """Return the process id of each process."""
        return {name: kept.child.pid for name, kept in self.processes.items()}

    def tend(self) -> None:
        """Start again what has ended."""
        for kept in self.processes.values():
            kept.tend()

    def eventually(self, look: Callable[[], Seen], *, within_s: float) -> Seen:
        """Return what `look` returns as soon as it is true; what ends meanwhile is started again."""

        def tend_and_look() -> Seen:
            self.tend()
            return look()

        return eventually(tend_and_look, within_s=within_s)

    def goes_on_for(self, span_s: float) -> Iterator[None]:
        """Yield many times a second, until the time is over; what ends meanwhile is started again."""
        over_at = time.monotonic() + span_s
        while time.monotonic() < over_at:
            self.tend()
            yield
            time.sleep(0.05)

    def unsettled(self) -> dict[str, int]:
        """Return what is not in its final state yet, by what it is; nothing once all is well."""
        wanted, deliveries = len(self.ledger.acknowledged), self._deliveries()
        published = list(self.system.statuses().values()).count("published")
        found = {
            "owed": self.system.owed(),
            "stuck": self._stuck(),
            "not published": wanted - published,
            "not delivered": wanted * len(self.endpoints) - deliveries["succeeded"],
            "other deliveries": deliveries.total() - deliveries["succeeded"],
            "not in the feed": wanted - len(self.entries()),
        }
        return {name: count for name, count in found.items() if count}

    def settle(self, *, within_s: float) -> None:
        """Wait until every acknowledged article is published, in the feeds, and delivered."""
        left: dict[str, int] = {}

        def look() -> bool:
            nonlocal left
            left = self.unsettled()
            return not left

        try:
            self.eventually(look, within_s=within_s)
        except AssertionError:
            raise AssertionError(f"not settled within {within_s} s; left: {left}") from None

    def compare_ledgers(self) -> None:
        """Check that clients, record, feed and receivers know the same: each article and message, once."""
        articles = sorted(str(one) for one in self.ledger.acknowledged.values())
        assert sorted(self.entries()) == articles
        for task, event_type in _STAGES.items():
            assert self.system.events(event_type) == self.system.steps(task) == len(articles)
        assert self.arrived() == self.recorded()
        assert set(self.arrived().values()) == {1}

    def entries(self) -> list[str]:
        """Return the ids in the feed of all articles."""
        answer = self.api.get("/feeds/all.json")
        return [item["id"].rpartition("/")[2] for item in answer.json()["items"]] if answer.is_success else []

    def arrived(self) -> Counter[tuple[str, str]]:
        """Return how often each message arrived, by the path of its endpoint and its `webhook-id`."""
        return Counter((one.path, one.headers["webhook-id"]) for one in self.receivers.received())

    def recorded(self) -> Counter[tuple[str, str]]:
        """Return how often each message was sent by the record, as `arrived` does."""
        with self.system.sessions() as session:
            rows = session.execute(
                select(EndpointRow.url, DeliveryRow.message_id, func.count(AttemptRow.id))
                .join(EndpointRow, EndpointRow.id == DeliveryRow.endpoint_id)
                .outerjoin(AttemptRow, AttemptRow.delivery_id == DeliveryRow.id)
                .group_by(EndpointRow.url, DeliveryRow.message_id)
            ).all()
        return Counter({(httpx.URL(url).path, message_name(message)): count for url, message, count in rows})

    def _deliveries(self) -> Counter[str]:
        with self.system.sessions() as session:
            rows = session.execute(select(DeliveryRow.state, func.count()).group_by(DeliveryRow.state)).all()
        return Counter({row[0]: row[1] for row in rows})

    def _stuck(self) -> int:
        with self.system.sessions() as session:
            return len(stuck(session))

    def _status(self, path: str) -> int:
        try:
            return self.api.get(path).status_code
        except httpx.TransportError:
            return 0

    def _starting(self, *argv: str) -> Callable[[], Forked]:
        return lambda: self.system.start(*argv, **_LONG_FEED)


@contextmanager
def under_load(system: System, receivers: Receivers, *, endpoints: int = 2) -> Iterator[UnderLoad]:
    """Start the whole system; the receivers serve already."""
    running = UnderLoad(system, receivers, endpoints=endpoints)
    with closing(running.api):
        yield running
