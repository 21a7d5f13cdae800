"""Subscribers of feeds to test with, and what passes between them, the hub and the stages."""

from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import httpx
from sqlalchemy import func, select, text, update

from feeds.push import EVERY
from publisher.database import Sessions
from publisher.notify.websub.ending import end_expired
from publisher.notify.websub.topics import forget_unused
from publisher.outbox.obligation import Done, Fate
from publisher.private_feeds import create_private_feed
from publisher.schema import (
    DeliveryRow,
    EndpointRow,
    TopicRow,
    VerificationRow,
)
from tests.receivers import Received, Receivers, Reply
from tests.stages.articles import BASE_URL, published, run_feeds, run_push
from tests.waiting import eventually

ALL = f"{BASE_URL}/feeds/all.atom"


class Callbacks:
    """What subscribers received, and what they answer: yes, and that they took it."""

    def __init__(self, receivers: Receivers) -> None:
        self._receivers = receivers
        self.says_yes = True
        self.thinks_about = ""
        self.echoes = False
        self.takes = Reply(status=204)
        receivers.answer(self._answer)

    def url(self, path: str = "/hook", *, host: int = 1) -> str:
        return self._receivers.url(path, host=host)

    def questions(self, path: str = "/hook") -> list[dict[str, str]]:
        asked = [one for one in self._receivers.received() if one.method == "GET"]
        return [_query(one) for one in asked if urlsplit(one.path).path == path]

    def documents(self, path: str = "/hook") -> list[Received]:
        return [one for one in self._receivers.received(path) if one.method == "POST"]

    def _answer(self, received: Received) -> Reply:
        if received.method == "POST":
            return self.takes
        asked = _query(received)
        after_s = 0.5 if asked["hub.mode"] == self.thinks_about else 0.0
        challenge = asked.get("hub.challenge", "").encode()
        body = received.path.encode() if self.echoes else challenge
        headers = {"x-echo": received.path} if self.echoes else {}
        return Reply(status=200 if self.says_yes else 404, headers=headers, body=body, after_s=after_s)


def _query(received: Received) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(urlsplit(received.path).query).items()}


def bring_out(database: Sessions, number: int, **fields: Any) -> UUID:
    with database.begin() as session:
        values = {"url": f"https://news.example/{number}", "title": f"Bài số {number}", **fields}
        identifier = published(session, **values)
        run_feeds(session)
    return identifier


def push(database: Sessions) -> list[str]:
    """Push what is owed until nothing is, as if the last time was long ago; return what became of it."""
    outcomes: list[str] = []
    with database.begin() as session:
        session.execute(update(TopicRow).values(changed_at=TopicRow.changed_at - 2 * EVERY))
    while fates := run_once(database):
        outcomes += [fate.outcome for fate in fates if isinstance(fate, Done)]
    return sorted(outcomes)


def run_once(database: Sessions) -> list[Fate]:
    """Run the stage once over all that is owed."""
    with database.begin() as session:
        return list(run_push(session).values())


def say(hub: httpx.Client, mode: str = "subscribe", **fields: str) -> httpx.Response:
    form = {"hub.mode": mode, "hub.topic": ALL, **{f"hub.{name}": value for name, value in fields.items()}}
    return hub.post("/hub", data=form)


def subscribed(database: Sessions) -> int:
    """Return how many subscriptions hold now."""
    with database() as session:
        live = EndpointRow.expires_at > func.now()
        return session.scalar(select(func.count()).select_from(EndpointRow).where(live)) or 0


def subscribe(database: Sessions, hub: httpx.Client, callback: str, **fields: str) -> None:
    """Subscribe, and wait until it holds."""
    before = subscribed(database)
    assert say(hub, callback=callback, **fields).status_code == 202
    eventually(lambda: subscribed(database) == before + 1)


def rows(database: Sessions, row: type[Any]) -> int:
    with database() as session:
        return session.scalar(select(func.count()).select_from(row)) or 0


def keep_the_house(database: Sessions) -> None:
    with database.begin() as session:
        end_expired(session)
        forget_unused(session)


def settled(database: Sessions) -> bool:
    """Return whether no callback is still to be asked, and nothing is still to be sent."""
    with database() as session:
        waits = select(func.count()).select_from(DeliveryRow).where(DeliveryRow.state == "pending")
        return session.scalar(waits) == 0 and rows(database, VerificationRow) == 0


def failed_once(database: Sessions) -> bool:
    with database() as session:
        return session.scalar(select(DeliveryRow.id).where(DeliveryRow.attempts == 1, pending())) is not None


def pending() -> Any:
    return DeliveryRow.state == "pending"


def come_due(database: Sessions) -> None:
    with database.begin() as session:
        session.execute(update(DeliveryRow).where(pending()).values(next_attempt_at=func.now()))


def private_feed(database: Sessions) -> tuple[str, UUID]:
    with database.begin() as session:
        feed, token = create_private_feed(session, name="Toà soạn báo A", feed="all")
    return token, feed.id


def mentions(database: Sessions, words: str) -> list[str]:
    """Return the tables of which a row has these words in it."""
    with database() as session:
        tables = session.scalars(text("SELECT relname FROM pg_stat_user_tables")).all()
        return [
            name
            for name in tables
            if session.scalar(
                text(
                    f'SELECT count(*) FROM "{name}" AS t WHERE position(:w IN t::text) > 0 OR '
                    "position(encode(convert_to(:w, 'UTF8'), 'hex') IN t::text) > 0"
                ),
                {"w": words},
            )
        ]
