"""What subscribers of feeds are sent: what is newest, signed, one at a time, nothing that was taken down."""

import hashlib
import hmac
from datetime import timedelta

import feedparser
import httpx
import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from feeds.push import EVERY, load_topics, render_topics, store_pushes
from publisher.database import Sessions
from publisher.feed_state import mark_changed
from publisher.notify.websub.owing import owe_newest
from publisher.notify.websub.topics import forget_unused
from publisher.outbox.obligation import Postponed
from publisher.retract import retract
from publisher.schema import (
    DeliveryRow,
    EventTaskRow,
    TopicRow,
)
from tests.databases import until_somebody_waits
from tests.readers import BOX
from tests.receivers import Reply
from tests.stages.articles import BASE_URL, STYLE, owed, published, run_feeds
from tests.stages.hub import (
    ALL,
    Callbacks,
    bring_out,
    come_due,
    failed_once,
    pending,
    push,
    rows,
    run_once,
    say,
    settled,
    subscribe,
    subscribed,
)
from tests.stages.lock_order import locks_by_id
from tests.stages.pumps import RunningPump
from tests.waiting import eventually


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


def test_what_is_committed_while_a_callback_confirms_is_not_missed(
    database: Sessions, hub: httpx.Client, callbacks: Callbacks
) -> None:
    callbacks.thinks_about = "subscribe"
    say(hub, callback=callbacks.url())
    with RunningPump(database, BOX):
        with database.begin() as publishing:
            published(publishing, url="https://news.example/1")
            # It has looked for subscribers, and found none.
            run_feeds(publishing)
            until_somebody_waits(database)
        eventually(lambda: subscribed(database) == 1)

    assert push(database) == ["pushed"]


def test_a_takedown_holds_in_a_feed_that_a_correction_has_just_left(
    database: Sessions, hub: httpx.Client, callbacks: Callbacks
) -> None:
    both = {"url": "https://news.example/1", "title": "Phải gỡ", "categories": ["Một", "Hai"]}
    with database.begin() as session:
        identifier = published(session, **both)
        run_feeds(session)
    with RunningPump(database, BOX):
        subscribe(database, hub, callbacks.url(), topic=f"{BASE_URL}/feeds/category/hai.atom")
    bring_out(database, 2, categories=["Hai"])
    push(database)
    assert "Phải gỡ" in hub.get("/feeds/category/hai.atom").text
    # The stage of feeds does not come to the correction.
    with database.begin() as session:
        published(session, **{**both, "categories": ["Một"]})
    with database.begin() as session:
        retract(session, identifier, reason=None)
    read = hub.get("/feeds/category/hai.atom").text
    with RunningPump(database, BOX):
        eventually(lambda: settled(database))

    assert "Phải gỡ" not in read
    assert callbacks.documents() == []


def test_in_a_flood_over_many_feeds_subscribers_are_sent_what_is_made(
    database: Sessions, hub: httpx.Client, callbacks: Callbacks
) -> None:
    topics = [f"{BASE_URL}/feeds/tag/so-{number}.atom" for number in range(8)]
    tags = tuple(f"số {number}" for number in range(8))
    bring_out(database, 1, tags=tags)
    with RunningPump(database, BOX):
        for number, topic in enumerate(topics):
            subscribe(database, hub, callbacks.url(f"/{number}"), topic=topic)
        # The feeds change again before every run: there is always a document to make.
        for number in range(2, 14):
            bring_out(database, number, tags=tags)
            with database.begin() as session:
                session.execute(update(TopicRow).values(changed_at=TopicRow.changed_at - 2 * EVERY))
            run_once(database)

        eventually(lambda: any(callbacks.documents(f"/{number}") for number in range(8)))


def test_what_a_subscriber_is_owed_is_as_old_as_the_newest_document(
    database: Sessions, hub: httpx.Client, callbacks: Callbacks
) -> None:
    callbacks.takes = Reply(status=500)
    with RunningPump(database, BOX):
        subscribe(database, hub, callbacks.url())
        bring_out(database, 1)
        push(database)
        eventually(lambda: failed_once(database))
    last_week = func.now() - timedelta(days=7)
    with database.begin() as session:
        session.execute(update(DeliveryRow).values(message_time=last_week))

    bring_out(database, 2)
    push(database)

    with database() as session:
        assert session.scalar(select(DeliveryRow.message_time > last_week + timedelta(days=6))) is True


def test_a_document_that_was_taken_away_is_made_anew_for_whoever_subscribes(
    database: Sessions, hub: httpx.Client, callbacks: Callbacks
) -> None:
    with RunningPump(database, BOX):
        subscribe(database, hub, callbacks.url("/first"))
        assert say(hub, callback=callbacks.url("/late")).status_code == 202
        eventually(lambda: settled(database))
    say(hub, callback=callbacks.url("/later"))
    bring_out(database, 1)
    push(database)
    with database.begin() as session:
        long_ago = func.now() - timedelta(days=1)
        session.execute(update(TopicRow).values(subscribed_until=long_ago))
        forget_unused(session)

    with RunningPump(database, BOX):
        eventually(lambda: subscribed(database) == 3)
        push(database)
        eventually(lambda: callbacks.documents("/later"))
