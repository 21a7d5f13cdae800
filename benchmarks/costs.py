"""What an article and a delivery cost in rows, commits, statements, WAL and Redis commands."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from uuid import UUID

import httpx
from sqlalchemy import func, select, text

from benchmarks.counters import Cost, Counters, Kind, Look
from benchmarks.figure import Figure
from benchmarks.material import article_json, submission
from benchmarks.receivers import Receivers
from benchmarks.stand import DOMAIN, SECRET_KEY, CannotMeasure, Stand, System
from benchmarks.statements import LOGGED
from publisher.access import Scope
from publisher.events import EventType
from publisher.ingest.record import record, record_all
from publisher.notify.endpoints.endpoint_in import EndpointIn
from publisher.notify.endpoints.store import create
from publisher.notify.outcome import DeliveryState
from publisher.notify.secrets.box import SecretBox
from publisher.outbox.emit import emit
from publisher.schema import ArticleRow, DeliveryRow

DETAILS = Path(__file__).with_name("latest-costs.json")

_COUNTED = (Kind.STATEMENTS, Kind.COMMITS, Kind.ROWS, Kind.WAL, Kind.REDIS)
_WHEN_IDLE = (Kind.STATEMENTS, Kind.COMMITS, Kind.LEASES, Kind.WAL, Kind.REDIS)
_FILLING, _WARM_UP, _ALONE = 250, 5, 30
_TOGETHER = 50
_LOAD_S = 2
_ENDPOINTS = 5_000
_WITHIN_S = 120
_FIRST_ALONE, _OF_MANY = 1_000_000, 2_000_000


def measure(stand: Stand) -> list[Figure]:
    """Count on a whole system: idle, one article at a time, many at once, and one that many ask for."""
    with System(stand, "costs", LOGGED) as system:
        measuring = _Measuring(stand, system)
        measuring.warm_up()
        idle = measuring.idle()
        alone = measuring.article_alone()
        backlog = measuring.article_in_a_backlog()
        told = measuring.delivery_alone(measuring.subscribe())
        delivery = measuring.delivery_of_many(alone)
    _write_details(
        {
            "idle, a second": idle,
            "an article alone": alone,
            "an article in a backlog": backlog,
            "a delivery alone": told,
            "a delivery of many": delivery,
        }
    )
    return [
        *(_figure("idle", kind, idle, None) for kind in _WHEN_IDLE),
        *(_figure("article", kind, backlog, alone) for kind in _COUNTED),
        *(_figure("delivery", kind, delivery, told) for kind in _COUNTED),
    ]


class _Measuring:
    """A running system, and the counters before and after what is done to it."""

    def __init__(self, stand: Stand, system: System) -> None:
        self._system = system
        self._counters = Counters(stand, system)
        self._receivers = Receivers(system)
        self._url = system.start_web()
        self._key = system.key(Scope.ARTICLES_WRITE)
        for argv in (["relay"], ["worker", "--concurrency", "1"], ["sender"]):
            system.start(*argv)
        self._idle = Cost()
        self._before: Look

    def warm_up(self) -> None:
        """Fill the feeds, let every process have worked, and have no checkpoint for the next minutes."""
        with self._system.sessions.begin() as session:
            session.execute(text("CHECKPOINT"))
            for first in range(0, _FILLING, _TOGETHER):
                some = [submission(number) for number in range(first, first + _TOGETHER)]
                record_all(session, some, tag_domain=DOMAIN)
        self._finish()
        self._send_one_by_one(range(_FILLING, _FILLING + _WARM_UP))
        self._before = self._counters.look()

    def idle(self) -> Cost:
        """Return what a second costs in which nothing happens."""
        before, self._before = self._before, self._counters.look()
        idle = self._counters.idle(before, self._before)
        self._idle = idle.each(idle.seconds)
        return self._idle

    def article_alone(self) -> Cost:
        """Return what an article costs that comes when nothing else is to do; nobody subscribes to it."""
        self._send_one_by_one(range(_FIRST_ALONE, _FIRST_ALONE + _ALONE))
        return self._since_idle().each(_ALONE)

    def article_in_a_backlog(self) -> Cost:
        """Return what an article costs when 16 clients send as fast as they can."""
        before = self._articles()
        self._system.result_of("benchmarks.load", self._url, self._key, "single", str(_LOAD_S))
        self._finish()
        return self._since_idle().each(self._articles() - before)

    def subscribe(self) -> UUID:
        """Let many endpoints ask for everything; return one of them."""
        box = SecretBox(SECRET_KEY)
        with self._system.sessions.begin() as session:
            wanted = [EndpointIn(url=self._receivers.url(1 + number)) for number in range(_ENDPOINTS)]
            made = [create(session, one, box=box)[0].id for one in wanted]
        self._before = self._counters.look()
        return made[0]

    def delivery_alone(self, endpoint: UUID) -> Cost:
        """Return what a message costs that goes to one endpoint, and its fan-out with it."""
        for _ in range(_ALONE):
            with self._system.sessions.begin() as session:
                emit(session, EventType.ENDPOINT_TEST, endpoint)
            self._finish()
        return self._since_idle().each(_ALONE)

    def delivery_of_many(self, article: Cost) -> Cost:
        """Return what a delivery costs when an article has many subscribers, without the article.

        What nobody does who has work, such as looking for some now and then, is not taken off.
        """
        with self._system.sessions.begin() as session:
            record(session, submission(_OF_MANY), tag_domain=DOMAIN)
        self._finish()
        return self._since().less(article).each(_ENDPOINTS)

    def _since_idle(self) -> Cost:
        cost = self._since()
        return cost.less(self._idle, cost.seconds)

    def _since(self) -> Cost:
        after = self._counters.look()
        cost, self._before = self._counters.between(self._before, after), after
        return cost

    def _send_one_by_one(self, numbers: Iterable[int]) -> None:
        headers = {"authorization": f"Bearer {self._key}", "content-type": "application/json"}
        with httpx.Client(headers=headers, trust_env=False, timeout=_WITHIN_S) as client:
            for number in numbers:
                answer = client.post(f"{self._url}/v1/articles", content=article_json(number))
                if answer.status_code != 201:
                    raise CannotMeasure(f"the API answered {answer.status_code}")
                self._finish()

    def _finish(self) -> None:
        self._system.until(self._is_finished, within_s=_WITHIN_S)

    def _is_finished(self) -> bool:
        pending = select(DeliveryRow.id).where(DeliveryRow.state == DeliveryState.PENDING).exists()
        with self._system.sessions() as session:
            return not self._system.owed() and not session.scalar(select(pending))

    def _articles(self) -> int:
        with self._system.sessions() as session:
            return session.scalar(select(func.count()).select_from(ArticleRow)) or 0


def _figure(what: str, kind: Kind, cost: Cost, beside: Cost | None) -> Figure:
    return Figure(
        name=f"{what}: {kind}",
        value=cost.total(kind),
        unit="each" if beside else "a second",
        baseline=beside.total(kind) if beside else None,
        beside="alone on a quiet system" if beside else "",
    )


def _write_details(costs: Mapping[str, Cost]) -> None:
    shown = {name: cost.shown() for name, cost in costs.items()}
    DETAILS.write_text(json.dumps(shown, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
