"""Subscriptions: asked about before they hold, renewed, and over in the end."""

import hashlib
import hmac
from datetime import timedelta

import feedparser
import httpx
import pytest
from sqlalchemy import func, select, update

from publisher.database import Sessions
from publisher.errors import NotFound
from publisher.notify.endpoints.store import newest, read, remove
from publisher.schema import (
    AttemptRow,
    DeliveryRow,
    EndpointRow,
    EndpointSecretRow,
    TopicRow,
    VerificationRow,
)
from tests.readers import BOX
from tests.receivers import Reply
from tests.stages.articles import BASE_URL
from tests.stages.hub import (
    Callbacks,
    bring_out,
    keep_the_house,
    push,
    rows,
    say,
    settled,
    subscribe,
    subscribed,
)
from tests.stages.pumps import RunningPump
from tests.waiting import eventually

TYPES = {"atom": "application/atom+xml", "rss": "application/rss+xml", "json": "application/feed+json"}


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


def test_subscriptions_are_no_endpoints_of_the_api(
    database: Sessions, hub: httpx.Client, callbacks: Callbacks, pump: RunningPump
) -> None:
    subscribe(database, hub, callbacks.url())
    with database() as session:
        (identifier,) = session.scalars(select(EndpointRow.id))

        assert newest(session, limit=10) == []
        with pytest.raises(NotFound):
            read(session, identifier)
        with pytest.raises(NotFound):
            remove(session, identifier)


def test_no_document_is_made_for_nobody(
    database: Sessions, hub: httpx.Client, callbacks: Callbacks, pump: RunningPump
) -> None:
    subscribe(database, hub, callbacks.url(), lease_seconds="2592000")
    say(hub, "unsubscribe", callback=callbacks.url())
    eventually(lambda: rows(database, EndpointRow) == 0)
    bring_out(database, 1)

    assert push(database) == ["nobody subscribed"]
