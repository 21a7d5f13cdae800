"""Feeds of one reader are pushed like others, as long as their token is good, which is kept nowhere."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from sqlalchemy import select

from feeds.push import load_topics, render_topics, store_pushes
from publisher.database import Sessions
from publisher.notify.websub.form import Mode, SubscriptionRequest
from publisher.notify.websub.subscriptions import ask
from publisher.notify.websub.topics import TopicName, topic_of
from publisher.private_feeds import revoke_private_feed, rotate_token
from publisher.schema import (
    AttemptRow,
    EndpointRow,
    LabelRow,
    TopicRow,
)
from tests.databases import until_somebody_waits
from tests.readers import BOX
from tests.stages.articles import BASE_URL, STYLE, owed
from tests.stages.hub import (
    Callbacks,
    bring_out,
    keep_the_house,
    mentions,
    private_feed,
    push,
    rows,
    say,
    settled,
    subscribe,
    subscribed,
)
from tests.stages.pumps import RunningPump
from tests.waiting import eventually


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


def test_a_document_made_while_its_token_became_void_is_sent_to_nobody(
    database: Sessions, hub: httpx.Client, callbacks: Callbacks
) -> None:
    token, identifier = private_feed(database)
    with RunningPump(database, BOX):
        subscribe(database, hub, callbacks.url(), topic=f"{BASE_URL}/feeds/private/{token}.atom")
    bring_out(database, 1)
    with database() as session:
        loaded = load_topics(session, owed(session, "push"), style=STYLE)
        made = {one: render_topics(found, style=STYLE) for one, found in loaded.items()}
    with database.begin() as session:
        revoke_private_feed(session, identifier)
    with database.begin() as session:
        store_pushes(session, made)
    push(database)
    with RunningPump(database, BOX):
        eventually(lambda: settled(database))

    assert callbacks.documents() == []


def test_who_revokes_a_token_waits_for_whoever_subscribes_under_it(
    database: Sessions, hub: httpx.Client, callbacks: Callbacks
) -> None:
    token, identifier = private_feed(database)
    url = f"{BASE_URL}/feeds/private/{token}.atom"
    asked = SubscriptionRequest(mode=Mode.SUBSCRIBE, topic=url, callback=callbacks.url())

    def revoke() -> None:
        with database.begin() as session:
            revoke_private_feed(session, identifier)

    with ThreadPoolExecutor(1) as thread:
        with database.begin() as session:
            label = session.scalars(select(LabelRow.id)).one()
            name = TopicName(label_id=label, format="atom", url=url, token=token)
            ask(session, asked, topic_of(session, name, box=BOX), box=BOX)
            revoking = thread.submit(revoke)
            until_somebody_waits(database)
        revoking.result()
    with RunningPump(database, BOX):
        eventually(lambda: settled(database))

    assert callbacks.questions() == []
    assert subscribed(database) == 0
