"""The hub: whoever subscribes is asked first, then sent what is newest, signed, and nothing after the end."""

import hashlib
import hmac
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import feedparser
import httpx
import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from feeds.push import EVERY, load_topics, render_topics, store_pushes
from publisher.database import Sessions
from publisher.feed_state import mark_changed
from publisher.notify.websub.ending import end_expired
from publisher.notify.websub.owing import owe_newest
from publisher.notify.websub.subscriptions import MOST_OF_A_HOST
from publisher.notify.websub.topics import forget_unused
from publisher.outbox.obligation import Done, Fate, Postponed
from publisher.private_feeds import create_private_feed, revoke_private_feed, rotate_token
from publisher.retract import retract
from publisher.schema import (
    AttemptRow,
    DeliveryRow,
    EndpointRow,
    EndpointSecretRow,
    EventTaskRow,
    TopicRow,
    VerificationRow,
)
from tests.readers import BOX, reading
from tests.receivers import Received, Receivers, Reply
from tests.stages.articles import BASE_URL, STYLE, owed, published, run_feeds, run_push
from tests.stages.lock_order import locks_by_id
from tests.stages.pumps import RunningPump
from tests.waiting import eventually

ALL = f"{BASE_URL}/feeds/all.atom"
TYPES = {"atom": "application/atom+xml", "rss": "application/rss+xml", "json": "application/feed+json"}


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
        return Reply(status=200 if self.says_yes else 404, body=body, after_s=after_s)


def _query(received: Received) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(urlsplit(received.path).query).items()}


@pytest.fixture
def callbacks() -> Iterator[Callbacks]:
    with Receivers() as receivers:
        yield Callbacks(receivers)


@pytest.fixture
def hub(database: Sessions) -> Iterator[httpx.Client]:
    """Somebody who talks to the hub; the feed of everything exists."""
    bring_out(database, 0)
    with reading(database, allowed_networks="127.0.0.0/8", allow_http=True) as client:
        yield client


@pytest.fixture
def pump(database: Sessions) -> Iterator[RunningPump]:
    with RunningPump(database, BOX) as running:
        yield running


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


def test_a_subscriber_is_asked_and_then_sent_what_is_new_signed(
    database: Sessions, hub: httpx.Client, callbacks: Callbacks, pump: RunningPump
) -> None:
    subscribe(database, hub, callbacks.url("/hook?id=%2F7"), secret="bí mật", lease_seconds="3600")
    identifier = bring_out(database, 1)
    assert push(database) == ["pushed"]
    (document,) = eventually(lambda: callbacks.documents("/hook?id=%2F7"))

    (question,) = callbacks.questions()
    assert len(question.pop("hub.challenge")) >= 22
    assert question == {"id": "/7", "hub.mode": "subscribe", "hub.topic": ALL, "hub.lease_seconds": "3600"}
    served = hub.get("/feeds/all.atom")
    assert document.body == served.content
    assert document.headers["content-type"] == served.headers["content-type"]
    assert document.headers["link"] == served.headers["link"]
    digest = hmac.new("bí mật".encode(), document.body, hashlib.sha256).hexdigest()
    assert document.headers["x-hub-signature"] == f"sha256={digest}"
    assert str(identifier) in feedparser.parse(document.body).entries[0].id


@pytest.mark.parametrize("ending", TYPES)
def test_every_feed_names_the_hub_in_its_body_and_in_a_header(hub: httpx.Client, ending: str) -> None:
    feed = hub.get(f"/feeds/all.{ending}")

    own = f'<{BASE_URL}/feeds/all.{ending}>; rel="self"; type="{TYPES[ending]}"'
    assert feed.headers["link"] == f'{own}, <{BASE_URL}/hub>; rel="hub"'
    if ending == "json":
        assert feed.json()["hubs"] == [{"type": "WebSub", "url": f"{BASE_URL}/hub"}]
    else:
        links = {link.rel: link.href for link in feedparser.parse(feed.content).feed.links}
        assert links["hub"] == f"{BASE_URL}/hub"
        assert links["self"] == f"{BASE_URL}/feeds/all.{ending}"


def test_archives_and_searches_name_no_hub_and_are_no_topics(hub: httpx.Client, callbacks: Callbacks) -> None:
    for path in ("/feeds/all/archive/1-1.atom", "/feeds/search.atom?q=b%C3%A0i"):
        feed = hub.get(path)
        assert feed.status_code == 200
        assert "hub" not in feed.text
        assert 'rel="hub"' not in feed.headers["link"]
        refused = say(hub, topic=BASE_URL + path, callback=callbacks.url())
        assert (refused.status_code, refused.headers["content-type"]) == (404, "text/plain; charset=utf-8")


def test_whoever_does_not_confirm_is_not_subscribed_and_leaves_nothing(
    database: Sessions, hub: httpx.Client, callbacks: Callbacks, pump: RunningPump
) -> None:
    callbacks.says_yes = False
    assert say(hub, callback=callbacks.url()).status_code == 202
    eventually(lambda: callbacks.questions() and rows(database, EndpointRow) == 0)
    bring_out(database, 1)

    assert push(database) == []
    assert callbacks.documents() == []
    assert rows(database, VerificationRow) == rows(database, DeliveryRow) == 0


def test_what_is_not_confirmed_changes_nothing(
    database: Sessions, hub: httpx.Client, callbacks: Callbacks, pump: RunningPump
) -> None:
    subscribe(database, hub, callbacks.url(), secret="first")
    callbacks.says_yes = False
    say(hub, "unsubscribe", callback=callbacks.url())
    say(hub, callback=callbacks.url(), secret="second")
    eventually(lambda: len(callbacks.questions()) == 3 and settled(database))
    bring_out(database, 1)
    push(database)
    (document,) = eventually(callbacks.documents)

    digest = hmac.new(b"first", document.body, hashlib.sha256).hexdigest()
    assert document.headers["x-hub-signature"] == f"sha256={digest}"


def test_a_renewal_replaces_lease_and_secret_and_a_missing_secret_takes_it_away(
    database: Sessions, hub: httpx.Client, callbacks: Callbacks, pump: RunningPump
) -> None:
    subscribe(database, hub, callbacks.url(), secret="first", lease_seconds="300")
    with database() as session:
        before = session.scalars(select(EndpointRow.expires_at)).one()
    say(hub, callback=callbacks.url(), lease_seconds="600")
    eventually(lambda: len(callbacks.questions()) == 2 and settled(database))
    bring_out(database, 1)
    push(database)
    (document,) = eventually(callbacks.documents)

    with database() as session:
        (endpoint,) = session.scalars(select(EndpointRow)).all()
    assert before is not None
    assert endpoint.expires_at is not None
    assert endpoint.expires_at - before > timedelta(seconds=290)
    assert "x-hub-signature" not in document.headers
    assert rows(database, EndpointSecretRow) == 0


def test_who_unsubscribes_is_sent_nothing_more_and_leaves_nothing_but_the_attempts(
    database: Sessions, hub: httpx.Client, callbacks: Callbacks, pump: RunningPump
) -> None:
    subscribe(database, hub, callbacks.url())
    say(hub, "unsubscribe", callback=callbacks.url())
    eventually(lambda: rows(database, EndpointRow) == 0)
    bring_out(database, 1)
    push(database)

    assert callbacks.questions()[1]["hub.mode"] == "unsubscribe"
    assert "hub.lease_seconds" not in callbacks.questions()[1]
    assert callbacks.documents() == []
    assert rows(database, DeliveryRow) == 0
    assert rows(database, AttemptRow) == 2


@pytest.mark.parametrize(("last", "subscriptions"), [("subscribe", 1), ("unsubscribe", 0)])
def test_of_several_requests_the_last_one_that_is_confirmed_holds(
    database: Sessions, hub: httpx.Client, callbacks: Callbacks, last: str, subscriptions: int
) -> None:
    with RunningPump(database, BOX):
        subscribe(database, hub, callbacks.url())
    callbacks.thinks_about = last
    say(hub, "unsubscribe", callback=callbacks.url())
    say(hub, callback=callbacks.url(), secret="new")
    with RunningPump(database, BOX):
        eventually(lambda: len(callbacks.questions()) == 3 and settled(database))

    assert subscribed(database) == rows(database, EndpointRow) == subscriptions
    assert rows(database, EndpointSecretRow) == subscriptions


def test_who_is_gone_is_subscribed_no_more(
    database: Sessions, hub: httpx.Client, callbacks: Callbacks, pump: RunningPump
) -> None:
    subscribe(database, hub, callbacks.url())
    callbacks.takes = Reply(status=410)
    bring_out(database, 1)
    push(database)

    eventually(lambda: rows(database, EndpointRow) == 0)
    assert len(callbacks.documents()) == 1


def test_who_fails_keeps_the_subscription_and_is_tried_again_with_the_newest_only(
    database: Sessions, hub: httpx.Client, callbacks: Callbacks, pump: RunningPump
) -> None:
    subscribe(database, hub, callbacks.url())
    callbacks.takes = Reply(status=500)
    bring_out(database, 1)
    push(database)
    eventually(lambda: len(callbacks.documents()) == 1 and failed_once(database))
    for number in (2, 3):
        bring_out(database, number)
        assert push(database) == ["pushed"]
    callbacks.takes = Reply(status=204)
    come_due(database)

    first, second = eventually(lambda: len(found := callbacks.documents()) == 2 and found)
    assert [len(feedparser.parse(one.body).entries) for one in (first, second)] == [2, 4]
    eventually(lambda: settled(database))
    assert len(callbacks.documents()) == 2
    assert rows(database, DeliveryRow) == 1, "one of all documents"


def failed_once(database: Sessions) -> bool:
    with database() as session:
        return session.scalar(select(DeliveryRow.id).where(DeliveryRow.attempts == 1, pending())) is not None


def pending() -> Any:
    return DeliveryRow.state == "pending"


def come_due(database: Sessions) -> None:
    with database.begin() as session:
        session.execute(update(DeliveryRow).where(pending()).values(next_attempt_at=func.now()))


def test_what_changes_while_a_document_is_on_its_way_is_sent_after_it(
    database: Sessions, hub: httpx.Client, callbacks: Callbacks, pump: RunningPump
) -> None:
    subscribe(database, hub, callbacks.url())
    callbacks.takes = Reply(status=204, after_s=1.0)
    bring_out(database, 1)
    push(database)
    eventually(callbacks.documents)
    bring_out(database, 2)
    push(database)

    eventually(lambda: len(callbacks.documents()) == 2 and settled(database))
    first, second = callbacks.documents()
    assert [len(feedparser.parse(one.body).entries) for one in (first, second)] == [2, 3]
    assert second.at - first.at >= 1.0


def test_who_fails_while_the_feed_changes_is_left_alone_for_as_long_as_ever(
    database: Sessions, hub: httpx.Client, callbacks: Callbacks, pump: RunningPump
) -> None:
    subscribe(database, hub, callbacks.url())
    callbacks.takes = Reply(status=500, after_s=1.0)
    bring_out(database, 1)
    push(database)
    eventually(callbacks.documents)
    bring_out(database, 2)
    push(database)

    eventually(lambda: failed_once(database))
    with database() as session:
        waits = session.scalar(select(DeliveryRow.next_attempt_at - func.now()).where(pending()))
    assert waits is not None
    assert timedelta(seconds=3) < waits <= timedelta(seconds=6)
    assert len(callbacks.documents()) == 1


def test_a_flood_makes_a_document_a_second_and_the_last_one_holds_everything(
    database: Sessions, hub: httpx.Client, callbacks: Callbacks, pump: RunningPump
) -> None:
    subscribe(database, hub, callbacks.url())
    for number in range(1, 4):
        bring_out(database, number)
    assert push(database) == ["pushed", "pushed already", "pushed already"]
    bring_out(database, 4)
    (again,) = run_once(database)
    with database() as session:
        due_in = session.scalar(select(EventTaskRow.due_at - func.now()).where(EventTaskRow.task == "push"))

    assert isinstance(again, Postponed)
    assert due_in is not None
    assert timedelta() < due_in <= EVERY
    assert push(database) == ["pushed"]
    eventually(lambda: callbacks.documents() and settled(database))
    assert len(feedparser.parse(callbacks.documents()[-1].body).entries) == 5


def test_nobody_is_sent_anything_after_the_lease(
    database: Sessions, hub: httpx.Client, callbacks: Callbacks
) -> None:
    with RunningPump(database, BOX):
        subscribe(database, hub, callbacks.url())
    bring_out(database, 1)
    push(database)
    with database.begin() as session:
        session.execute(update(EndpointRow).values(expires_at=func.now() - timedelta(seconds=1)))
    with RunningPump(database, BOX):
        eventually(lambda: settled(database))
        with database.begin() as session:
            session.execute(update(TopicRow).values(subscribed_until=func.now()))
        bring_out(database, 2)

    assert push(database) == []
    assert callbacks.documents() == []


def test_housekeeping_takes_away_what_ran_out(
    database: Sessions, hub: httpx.Client, callbacks: Callbacks, pump: RunningPump
) -> None:
    subscribe(database, hub, callbacks.url())
    bring_out(database, 1)
    push(database)
    eventually(lambda: callbacks.documents() and settled(database))
    with database.begin() as session:
        long_ago = func.now() - timedelta(days=2)
        session.execute(update(EndpointRow).values(expires_at=long_ago))
        session.execute(update(TopicRow).values(subscribed_until=long_ago))
    keep_the_house(database)

    assert rows(database, EndpointRow) == rows(database, DeliveryRow) == 0
    with database() as session:
        assert session.scalars(select(TopicRow.body)).all() == [None]


def test_what_came_between_the_request_and_the_confirmation_is_not_missed(
    database: Sessions, hub: httpx.Client, callbacks: Callbacks
) -> None:
    assert say(hub, callback=callbacks.url()).status_code == 202
    bring_out(database, 1)
    with RunningPump(database, BOX):
        eventually(lambda: subscribed(database) == 1)
        assert push(database) == ["pushed"]
        (document,) = eventually(callbacks.documents)

    assert len(feedparser.parse(document.body).entries) == 2


def test_a_takedown_is_pushed_as_a_tombstone_and_what_waits_never_shows_the_article(
    database: Sessions, hub: httpx.Client, callbacks: Callbacks
) -> None:
    with RunningPump(database, BOX):
        subscribe(database, hub, callbacks.url())
    identifier = bring_out(database, 1)
    push(database)
    with database.begin() as session:
        retract(session, identifier, reason="sai")
    with database() as session:
        assert session.scalars(select(TopicRow.body)).all() == [None]
    with RunningPump(database, BOX):
        eventually(lambda: settled(database))
        assert callbacks.documents() == []
        assert push(database) == ["pushed"]
        (document,) = eventually(callbacks.documents)

    assert b"deleted-entry" in document.body
    assert b"B\xc3\xa0i s\xe1\xbb\x91 1<" not in document.body


def test_a_document_read_before_a_takedown_comes_too_late(
    database: Sessions, hub: httpx.Client, callbacks: Callbacks, pump: RunningPump
) -> None:
    subscribe(database, hub, callbacks.url())
    identifier = bring_out(database, 1)
    with database() as reading_before:
        obligations = owed(reading_before, "push")
        made = {
            one: render_topics(found, style=STYLE)
            for one, found in load_topics(reading_before, obligations, style=STYLE).items()
        }
    with database.begin() as session:
        retract(session, identifier, reason=None)
    with database.begin() as session:
        store_pushes(session, made)
    with database() as session:
        assert session.scalars(select(TopicRow.body)).all() == [None]


def test_a_private_feed_is_pushed_under_its_own_address_and_the_token_is_kept_nowhere(
    database: Sessions, hub: httpx.Client, callbacks: Callbacks, pump: RunningPump
) -> None:
    token, _ = private_feed(database)
    topic = f"{BASE_URL}/feeds/private/{token}.atom"
    subscribe(database, hub, callbacks.url(), topic=topic)
    bring_out(database, 1)
    push(database)
    (document,) = eventually(callbacks.documents)

    served = hub.get(f"/feeds/private/{token}.atom")
    assert callbacks.questions()[0]["hub.topic"] == topic
    assert document.body == served.content
    assert document.headers["link"] == served.headers["link"]
    assert token in document.headers["link"]
    assert not mentions(database, token)


@pytest.mark.parametrize("voids", [revoke_private_feed, rotate_token])
def test_a_void_token_ends_its_subscriptions_and_tells_them(
    database: Sessions, hub: httpx.Client, callbacks: Callbacks, voids: Callable[..., object]
) -> None:
    token, identifier = private_feed(database)
    topic = f"{BASE_URL}/feeds/private/{token}.atom"
    with RunningPump(database, BOX):
        subscribe(database, hub, callbacks.url(), topic=topic)
        subscribe(database, hub, callbacks.url("/other"))
    bring_out(database, 1)
    push(database)
    with database.begin() as session:
        voids(session, identifier)
    with RunningPump(database, BOX):
        eventually(lambda: settled(database) and rows(database, EndpointRow) == 1)

    denied = callbacks.questions()[-1]
    assert (denied["hub.mode"], denied["hub.topic"]) == ("denied", topic)
    assert denied["hub.reason"]
    assert callbacks.documents() == []
    assert len(callbacks.documents("/other")) == 1
    assert say(hub, topic=topic, callback=callbacks.url()).status_code == 404
    keep_the_house(database)
    assert rows(database, TopicRow) == 1


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


REFUSED = [
    ({"hub.mode": None}, 422, "hub.mode"),
    ({"hub.topic": None}, 422, "hub.topic"),
    ({"hub.callback": None}, 422, "hub.callback"),
    ({"hub.callback": "ftp://reader.example/"}, 422, "hub.callback: must start with https:// or http://"),
    ({"hub.callback": "/hook"}, 422, "hub.callback"),
    ({"hub.callback": "https://10.0.0.1/"}, 422, "hub.callback: 10.0.0.1 is a private"),
    ({"hub.callback": "https://[::1]/"}, 422, "hub.callback"),
    ({"hub.callback": "https://a:b@reader.example/"}, 422, "hub.callback"),
    ({"hub.callback": "https://reader.example/#here"}, 422, "hub.callback"),
    ({"hub.callback": f"https://reader.example/{'x' * 2048}"}, 422, "hub.callback"),
    ({"hub.callback": "https://reader.example/\r\nx: y"}, 422, "hub.callback"),
    ({"hub.topic": "https://elsewhere.example/feeds/all.atom"}, 404, "hub.topic"),
    ({"hub.topic": "/feeds/all.atom"}, 404, "hub.topic"),
    ({"hub.topic": f"{BASE_URL}/feeds/all.atom?x=1"}, 404, "hub.topic"),
    ({"hub.topic": f"{BASE_URL}/feeds/all"}, 404, "hub.topic"),
    ({"hub.topic": f"{BASE_URL}/feeds/category/nobody.atom"}, 404, "hub.topic"),
    ({"hub.topic": f"{BASE_URL}/feeds/private/prv_nobody.atom"}, 404, "hub.topic"),
    ({"hub.topic": f"{BASE_URL}/articles/x"}, 404, "hub.topic"),
    ({"hub.topic": f"{BASE_URL}/feeds/category/{'x' * 2000}.atom"}, 404, "hub.topic"),
    ({"hub.topic": "\x00'; DROP TABLE topic --"}, 404, "hub.topic"),
    ({"hub.lease_seconds": "soon"}, 422, "hub.lease_seconds"),
    ({"hub.secret": "x" * 200}, 422, "hub.secret"),
]


@pytest.mark.parametrize(("otherwise", "status", "says"), REFUSED)
def test_nonsense_is_refused_in_plain_words_and_nothing_is_stored(
    database: Sessions, hub: httpx.Client, otherwise: dict[str, str | None], status: int, says: str
) -> None:
    form = {"hub.mode": "subscribe", "hub.topic": ALL, "hub.callback": "https://127.0.0.1/", **otherwise}

    refused = hub.post("/hub", data={name: value for name, value in form.items() if value is not None})

    assert (refused.status_code, refused.headers["content-type"]) == (status, "text/plain; charset=utf-8")
    assert refused.text.startswith(says)
    assert len(refused.text) < 600
    assert rows(database, EndpointRow) == rows(database, TopicRow) == rows(database, VerificationRow) == 0


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/json", b"{}", 415),
        ("", b"hub.mode=subscribe", 415),
        ("application/x-www-form-urlencoded", b"hub.mode=%ff", 400),
        ("application/x-www-form-urlencoded", b"\xff\xfe", 400),
        ("application/x-www-form-urlencoded", b"a=1&" * 101, 400),
        ("application/x-www-form-urlencoded", b"a=" + b"x" * 20_000, 413),
        ("application/x-www-form-urlencoded; charset=utf-8", b"", 422),
    ],
)
def test_what_is_no_form_is_refused(hub: httpx.Client, content_type: str, body: bytes, status: int) -> None:
    refused = hub.post("/hub", content=body, headers={"content-type": content_type})

    assert (refused.status_code, refused.headers["content-type"]) == (status, "text/plain; charset=utf-8")


def test_a_host_is_neither_flooded_with_questions_nor_with_documents(
    database: Sessions, hub: httpx.Client, callbacks: Callbacks
) -> None:
    for number in range(MOST_OF_A_HOST):
        assert say(hub, callback=callbacks.url(f"/{number}")).status_code == 202
    refused = say(hub, callback=callbacks.url("/one-more"))
    elsewhere = say(hub, callback=callbacks.url("/", host=2))
    with RunningPump(database, BOX):
        eventually(lambda: settled(database), within_s=20)
    too_many = say(hub, callback=callbacks.url("/one-more"))
    renewed = say(hub, callback=callbacks.url("/1"))

    assert (refused.status_code, refused.headers["retry-after"]) == (429, "60")
    assert elsewhere.status_code == 202
    assert subscribed(database) == MOST_OF_A_HOST + 1
    assert (too_many.status_code, renewed.status_code) == (429, 202)


def test_who_says_that_a_feed_has_changed_is_thanked_and_nothing_is_done(
    database: Sessions, hub: httpx.Client, callbacks: Callbacks, pump: RunningPump
) -> None:
    subscribe(database, hub, callbacks.url())
    bring_out(database, 1)
    push(database)
    eventually(lambda: callbacks.documents() and settled(database))
    told = hub.post("/hub", data={"hub.mode": "publish", "hub.url": [ALL], "hub.topic": ALL})
    unknown = hub.post("/hub", data={"hub.mode": "publish", "hub.url": "https://elsewhere.example/"})

    assert (told.status_code, unknown.status_code) == (202, 404)
    assert push(database) == []
    assert len(callbacks.documents()) == 1


def test_whoever_comes_late_is_owed_what_came_meanwhile_and_nobody_else_is(
    database: Sessions, hub: httpx.Client, callbacks: Callbacks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("publisher.notify.websub.owing.SLICE", 1)
    with RunningPump(database, BOX):
        for number in range(3):
            subscribe(database, hub, callbacks.url(f"/{number}"))
        say(hub, callback=callbacks.url("/late"))
        eventually(lambda: len(callbacks.questions("/late")) == 1 and settled(database))
    say(hub, callback=callbacks.url("/later"))
    bring_out(database, 1)
    push(database)
    with RunningPump(database, BOX):
        eventually(lambda: callbacks.documents("/later") and settled(database))

    paths = ("/0", "/1", "/2", "/late", "/later")
    assert [len(callbacks.documents(path)) for path in paths] == [1] * 5


def test_topics_and_deliveries_are_locked_in_the_order_of_their_ids(
    database: Sessions, hub: httpx.Client, callbacks: Callbacks
) -> None:
    with RunningPump(database, BOX):
        for ending in ("rss", "atom"):
            subscribe(database, hub, callbacks.url(f"/{ending}"), topic=f"{BASE_URL}/feeds/all.{ending}")
        bring_out(database, 1)
        push(database)
        eventually(lambda: callbacks.documents("/rss") and callbacks.documents("/atom"))
        eventually(lambda: settled(database))
    with database() as session:
        topics = sorted(session.scalars(select(TopicRow.id)))
        deliveries = sorted(session.scalars(select(DeliveryRow.id)))
        label = session.scalars(select(TopicRow.label_id).distinct()).one()
    with database.begin() as session:
        # As they lie in the table is not how they are to be locked.
        session.execute(update(TopicRow).where(TopicRow.id == topics[0]).values(generation=99))
        session.execute(update(DeliveryRow).where(DeliveryRow.id == deliveries[0]).values(sequence=0))

    def take_down(session: Session) -> None:
        mark_changed(session, [label], at_once=True)

    assert locks_by_id(database, *deliveries, lambda session: owe_newest(session, label))
    assert locks_by_id(database, *topics, take_down, key=TopicRow.id)


def test_a_token_that_cannot_be_read_holds_up_nobody_else(
    database: Sessions, hub: httpx.Client, callbacks: Callbacks
) -> None:
    token, _ = private_feed(database)
    with RunningPump(database, BOX):
        subscribe(database, hub, callbacks.url(), topic=f"{BASE_URL}/feeds/private/{token}.atom")
        subscribe(database, hub, callbacks.url("/other"))
    with database.begin() as session:
        session.execute(update(TopicRow).where(TopicRow.token.is_not(None)).values(token=b"\x01nonsense"))
    bring_out(database, 1)
    push(database)
    with RunningPump(database, BOX):
        eventually(lambda: callbacks.documents("/other") and settled(database))
        # Whoever asks for it anew brings the token along.
        say(hub, callback=callbacks.url(), topic=f"{BASE_URL}/feeds/private/{token}.atom")
        eventually(lambda: len(callbacks.questions()) == 2)
        bring_out(database, 2)
        push(database)
        eventually(callbacks.documents)


def test_what_a_stranger_writes_is_not_kept(
    database: Sessions, hub: httpx.Client, callbacks: Callbacks, pump: RunningPump
) -> None:
    token, _ = private_feed(database)
    callbacks.says_yes = False
    callbacks.echoes = True
    say(hub, callback=callbacks.url(), topic=f"{BASE_URL}/feeds/private/{token}.atom")
    eventually(lambda: callbacks.questions() and rows(database, AttemptRow) == 1)

    assert not mentions(database, token)


def test_what_was_asked_under_a_token_that_is_void_now_is_not_confirmed(
    database: Sessions, hub: httpx.Client, callbacks: Callbacks, pump: RunningPump
) -> None:
    token, identifier = private_feed(database)
    callbacks.thinks_about = "subscribe"
    say(hub, callback=callbacks.url(), topic=f"{BASE_URL}/feeds/private/{token}.atom")
    eventually(callbacks.questions)
    with database.begin() as session:
        revoke_private_feed(session, identifier)

    eventually(lambda: rows(database, AttemptRow) == 1)
    assert subscribed(database) == 0
    assert [one["hub.mode"] for one in callbacks.questions()] == ["subscribe"]


def test_a_site_that_has_moved_is_subscribed_to_under_its_new_address(
    database: Sessions, hub: httpx.Client, callbacks: Callbacks, pump: RunningPump
) -> None:
    subscribe(database, hub, callbacks.url())
    moved = "https://moved.example"
    with reading(database, allowed_networks="127.0.0.0/8", base_url=moved) as site:
        form = {"hub.mode": "subscribe", "hub.topic": f"{moved}/feeds/all.atom"}
        assert site.post("/hub", data={**form, "hub.callback": callbacks.url("/new")}).status_code == 202

    eventually(lambda: callbacks.questions("/new"))
    assert callbacks.questions("/new")[0]["hub.topic"] == f"{moved}/feeds/all.atom"


def test_many_subscribers_are_owed_slice_by_slice(
    database: Sessions, hub: httpx.Client, callbacks: Callbacks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("publisher.notify.websub.owing.SLICE", 2)
    with RunningPump(database, BOX):
        for number in range(5):
            subscribe(database, hub, callbacks.url(f"/{number}"))
    bring_out(database, 1)
    # The document, and three slices; a change in the middle of them is not lost.
    fates = [run_once(database) for _ in range(2)]
    bring_out(database, 2)

    assert all(isinstance(fate, Postponed) for (fate,) in fates)
    assert push(database) == ["pushed", "pushed"]
    with RunningPump(database, BOX):
        eventually(lambda: settled(database))
    documents = [callbacks.documents(f"/{number}") for number in range(5)]
    assert [len(feedparser.parse(one.body).entries) for (one,) in documents] == [3] * 5
