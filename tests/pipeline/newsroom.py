"""A whole system at work, by what a newsroom, its subscribers and its readers see of it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import select

from publisher.access import create_key
from publisher.schema import DeliveryRow, EventTaskRow
from tests.pipeline.system import DOMAIN, System
from tests.receivers import Answering, Receivers, Reply

FORMATS = ("atom", "rss", "json")


@dataclass(frozen=True, kw_only=True)
class Told:
    """A webhook as a subscriber understands it.

    Attributes:
        sequence: of the header.
        data: of the payload.
        at: on the monotonic clock.
    """

    type: str
    sequence: int
    data: Mapping[str, Any]
    at: float


class Newsroom:
    """Clients of web processes, and one server for all subscribers.

    Attributes:
        replicas: a client of each web process; `api` is the first.
    """

    def __init__(self, system: System, replicas: Sequence[httpx.Client], receivers: Receivers) -> None:
        self.system = system
        self.replicas = replicas
        self.api = replicas[0]
        self.receivers = receivers

    def subscribe(self, path: str, **members: Any) -> UUID:
        """Register an endpoint under a path of its own; return its id."""
        made = self.api.post("/v1/endpoints", json={"url": self.receivers.url(path), **members})
        assert made.status_code == 201, made.text
        return UUID(made.json()["id"])

    def post(self, name: str, *, replica: int = 0, **members: Any) -> dict[str, Any]:
        """Send in the article of that name, in the category of that name; return the answer."""
        article = {
            "url": f"https://{DOMAIN}/{name}",
            "title": f"Bài viết {name}",
            "content_text": f"Nội dung của bài viết {name}.",
            "categories": [name],
        }
        answer = self.replicas[replica].post("/v1/articles", json=article | members)
        assert answer.status_code in (200, 201), answer.text
        body: dict[str, Any] = answer.json()
        return body

    def take_down(self, article: Mapping[str, Any], reason: str = "sai sự thật") -> None:
        """Retract an article."""
        answer = self.api.delete(f"/v1/articles/{article['id']}", params={"reason": reason})
        assert answer.status_code == 200, answer.text

    def status(self, article: Mapping[str, Any]) -> str:
        """Return how far an article has come."""
        answer = self.api.get(f"/v1/articles/{article['id']}")
        return "retracted" if answer.status_code == 410 else str(answer.json()["status"])

    def settled(self, article: Mapping[str, Any]) -> bool:
        """Return whether nothing about an article is owed any more, an embargo included."""
        owed = select(EventTaskRow.event_id).where(EventTaskRow.subject == UUID(article["id"]))
        with self.system.sessions() as session:
            return not session.scalar(select(owed.exists()))

    def told(self, path: str) -> list[Told]:
        """Return what the endpoint of that path has got, in the order in which it came."""
        return [
            Told(
                type=(body := json.loads(one.body))["type"],
                sequence=int(one.headers["publisher-sequence"]),
                data=body["data"],
                at=one.at,
            )
            for one in self.receivers.received(path)
        ]

    def sequences(self, path: str) -> list[int]:
        """Return the sequences that the endpoint of that path has got, in the order in which they came."""
        return [one.sequence for one in self.told(path)]

    def deliveries(self, endpoint: UUID) -> list[tuple[int, str]]:
        """Return sequence and state of every delivery of an endpoint, by sequence."""
        wanted = select(DeliveryRow.sequence, DeliveryRow.state).where(DeliveryRow.endpoint_id == endpoint)
        with self.system.sessions() as session:
            return sorted((row.sequence, row.state) for row in session.execute(wanted))

    def ids_in(self, feed: str) -> list[set[str]]:
        """Return the ids in the JSON document of a feed, at each replica."""
        answers = [replica.get(f"/feeds/{feed}.json") for replica in self.replicas]
        return [{item["id"] for item in answer.json()["items"]} for answer in answers]


@contextmanager
def newsroom(
    system: System, *, replicas: int = 1, sender: bool = True, answering: Answering = lambda _: Reply()
) -> Iterator[Newsroom]:
    """Start everything, and yield it once it answers.

    Args:
        replicas: web processes.
        sender: False leaves it out.
        answering: what subscribers answer.
    """
    for process in ("relay", "worker", *(["sender"] if sender else [])):
        system.start(process)
    with system.sessions.begin() as session:
        _, key = create_key(session, name="tests", scopes=["admin"])
    with ExitStack() as open_until_then:
        receivers = open_until_then.enter_context(Receivers(answering))
        clients = [open_until_then.enter_context(system.start_web()) for _ in range(replicas)]
        for client in clients:
            client.headers["Authorization"] = f"Bearer {key}"
            client.timeout = httpx.Timeout(30)
        yield Newsroom(system, clients, receivers)
