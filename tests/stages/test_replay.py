"""Deliveries read back with every attempt, and the past sent again, once each."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError
from sqlalchemy import Engine, event, func, insert, inspect, select, text
from sqlalchemy.orm import Session

from publisher.article import ArticleStatus
from publisher.errors import Conflict, NotFound
from publisher.ids import new_id
from publisher.notify.deliveries import Attempt, newest_deliveries
from publisher.notify.disabling import disable
from publisher.notify.endpoint_in import EndpointIn
from publisher.notify.endpoints import create, read, remove, shard_of
from publisher.notify.outcome import DeliveryState
from publisher.notify.replay import Replayable, Window, replay
from publisher.notify.replay_in import ReplayIn
from publisher.notify.secrets import SecretBox
from publisher.schema import (
    ArticleLabelRow,
    ArticleRow,
    AttemptRow,
    DeliveryRow,
    EndpointRow,
    LabelRow,
    MessageRow,
)

AT = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
ALL_TIME = Window(since=AT - 10 * HOUR)
BOX = SecretBox("a key that only tests use")
PENDING, HELD, FAILED = DeliveryState.PENDING, DeliveryState.HELD, DeliveryState.FAILED
SUCCEEDED, CANCELLED = DeliveryState.SUCCEEDED, DeliveryState.CANCELLED


@dataclass(frozen=True, kw_only=True)
class Told:
    """A message in the record."""

    id: UUID
    time: datetime
    article_id: UUID | None
    sequence: int | None


def endpoint(session: Session, **members: object) -> UUID:
    """Make an endpoint; return its id."""
    return create(
        session, EndpointIn.model_validate({"url": "https://example.com/hook", **members}), box=BOX
    )[0].id


def article(session: Session, *, categories: Iterable[str] = ()) -> UUID:
    """Make an article that is public in these categories, given as slugs; return its id."""
    identifier = new_id()
    session.execute(
        insert(ArticleRow).values(
            id=identifier,
            uri=f"tag:example.org,2026-05-04:article/{identifier}",
            status=ArticleStatus.PUBLISHED,
            sequence=1,
            revision=1,
            published=AT,
            updated=AT,
            received_at=AT,
        )
    )
    for slug in categories:
        label_id = session.scalar(select(LabelRow.id).where(LabelRow.slug == slug))
        if label_id is None:
            label_id = new_id()
            session.execute(insert(LabelRow).values(id=label_id, kind="category", slug=slug, term=slug))
        session.execute(
            insert(ArticleLabelRow).values(article_id=identifier, label_id=label_id, first_visible_at=AT)
        )
    return identifier


def message(
    session: Session,
    article_id: UUID | None,
    sequence: int | None = 1,
    *,
    kind: str = "article.published",
    time: datetime = AT,
    body: bytes | None = b"{}",
) -> Told:
    """Put a message in the record."""
    told = Told(id=new_id(), time=time, article_id=article_id, sequence=sequence)
    session.execute(
        insert(MessageRow).values(
            id=told.id, time=time, type=kind, article_id=article_id, sequence=sequence, body=body
        )
    )
    return told


def deliver(
    session: Session, endpoint_id: UUID, told: Told, state: DeliveryState, *, attempts: int = 0
) -> UUID:
    """Put a delivery in the record; return its id."""
    identifier = new_id()
    session.execute(
        insert(DeliveryRow).values(
            id=identifier,
            message_id=told.id,
            message_time=told.time,
            endpoint_id=endpoint_id,
            article_id=told.article_id,
            sequence=told.sequence,
            shard=shard_of(endpoint_id),
            state=state,
            attempts=attempts,
            next_attempt_at=AT if state is PENDING else None,
        )
    )
    return identifier


def standing(session: Session, endpoint_id: UUID) -> dict[UUID, str]:
    """Return the state of each of the endpoint's deliveries by its message."""
    rows = session.execute(select(DeliveryRow).where(DeliveryRow.endpoint_id == endpoint_id)).scalars()
    session.expire_all()
    return {row.message_id: row.state for row in rows}


def test_deliveries_come_newest_first_page_by_page(session: Session) -> None:
    mine, other = endpoint(session), endpoint(session)
    messages = [message(session, article(session)) for _ in range(4)]
    for told in messages:
        deliver(session, mine, told, SUCCEEDED)
    deliver(session, other, messages[0], PENDING)
    expected = sorted((told.id for told in messages), reverse=True)

    first = [one.message_id for one in newest_deliveries(session, mine, limit=3)]
    rest = [one.message_id for one in newest_deliveries(session, mine, limit=3, before=first[-1])]

    assert (first, rest) == (expected[:3], expected[3:])


def test_deliveries_can_be_chosen_by_state(session: Session) -> None:
    mine = endpoint(session)
    told = message(session, article(session), 3, kind="article.corrected")
    held = deliver(session, mine, told, HELD)
    deliver(session, mine, message(session, article(session)), SUCCEEDED)

    [found] = newest_deliveries(session, mine, limit=9, state=HELD)

    assert (found.id, found.state, found.next_attempt_at) == (held, HELD, None)
    assert (found.message_id, found.event_type) == (told.id, "article.corrected")
    assert (found.article_id, found.sequence) == (told.article_id, 3)


def test_every_attempt_can_be_read_back_in_order(session: Session) -> None:
    mine = endpoint(session)
    delivery_id = deliver(session, mine, message(session, article(session)), PENDING, attempts=2)
    refused = Attempt(
        number=2,
        trigger="replay",
        at=AT + HOUR,
        status=None,
        error="refused_address",
        duration_ms=0,
        address="10.0.0.1",
        response_body=None,
    )
    failed = Attempt(
        number=1,
        trigger="auto",
        at=AT,
        status=503,
        error=None,
        duration_ms=812,
        address="192.0.2.1",
        response_body="later",
    )
    for one in (refused, failed):
        values = {**vars(one), "delivery_id": delivery_id, "endpoint_id": mine, "url": "https://example.com/"}
        session.execute(insert(AttemptRow).values(**values))

    [found] = newest_deliveries(session, mine, limit=9)

    assert found.attempts == (failed, refused)
    assert found.next_attempt_at == AT


def test_a_delivery_outlives_its_message(session: Session) -> None:
    mine = endpoint(session)
    deliver(session, mine, Told(id=new_id(), time=AT, article_id=new_id(), sequence=1), FAILED)

    [found] = newest_deliveries(session, mine, limit=9)

    assert found.event_type is None


def test_what_failed_and_what_was_held_comes_due_now(session: Session) -> None:
    mine = endpoint(session)
    failed, held, sent = (message(session, article(session)) for _ in range(3))
    deliver(session, mine, failed, FAILED, attempts=10)
    deliver(session, mine, held, HELD)
    deliver(session, mine, sent, SUCCEEDED, attempts=1)

    replayed = replay(session, mine, ALL_TIME)

    assert replayed == 2
    assert standing(session, mine) == {failed.id: "pending", held.id: "pending", sent.id: "succeeded"}
    row = session.scalars(select(DeliveryRow).where(DeliveryRow.message_id == failed.id)).one()
    assert (row.attempts, row.trigger) == (10, "replay")
    assert row.next_attempt_at == session.scalar(select(func.now()))


def test_a_replay_again_finds_nothing(session: Session) -> None:
    mine = endpoint(session)
    deliver(session, mine, message(session, article(session)), FAILED)
    message(session, article(session))
    assert replay(session, mine, ALL_TIME) == 2

    assert replay(session, mine, ALL_TIME) == 0


@pytest.mark.parametrize("state", [FAILED, HELD])
def test_only_the_states_that_were_asked_for_are_replayed(session: Session, state: DeliveryState) -> None:
    mine = endpoint(session)
    told = {one: message(session, article(session)) for one in (FAILED, HELD)}
    for one, waiting in told.items():
        deliver(session, mine, waiting, one)
    message(session, article(session))

    replayed = replay(session, mine, ALL_TIME, [Replayable(state)])

    assert replayed == 1
    assert standing(session, mine)[told[state].id] == "pending"


def test_only_messages_of_the_window_are_replayed(session: Session) -> None:
    mine = endpoint(session)
    times = [AT - HOUR, AT, AT + HOUR, AT + 2 * HOUR]
    for state in (FAILED, HELD, None):
        for time in times:
            told = message(session, article(session), time=time)
            if state:
                deliver(session, mine, told, state)

    assert replay(session, mine, Window(since=AT, until=AT + 2 * HOUR)) == 6


def test_a_window_is_found_by_the_ids_of_its_messages(session: Session) -> None:
    mine = endpoint(session)
    deliver(session, mine, message(session, article(session)), FAILED)
    # So many of others that reading all of them is no way.
    others = text(
        "INSERT INTO delivery (message_id, message_time, endpoint_id, shard, state)"
        " SELECT gen_random_uuid(), now(), gen_random_uuid(), 1, 'failed' FROM generate_series(1, 5000)"
    )
    session.execute(others)
    session.execute(text("ANALYZE delivery"))
    statements: list[tuple[str, Any]] = []
    connection = session.connection()
    event.listen(connection, "before_cursor_execute", lambda *args: statements.append((args[2], args[3])))
    replay(session, mine, ALL_TIME, [Replayable.FAILED])
    released, values = next(one for one in statements if "UPDATE delivery" in one[0])

    plan = "\n".join(row[0] for row in connection.exec_driver_sql(f"EXPLAIN {released}", values))

    assert re.search(r"Index Cond:.*message_id >= ", plan), plan


def test_a_tombstone_is_found_by_its_article(engine: Engine) -> None:
    key = inspect(engine).get_pk_constraint("tombstone")

    assert key["constrained_columns"] == ["article_id", "label_id"]


@pytest.mark.parametrize("since", [datetime.min.replace(tzinfo=UTC), AT - timedelta(days=40_000)])
def test_a_window_may_begin_before_all_time(session: Session, since: datetime) -> None:
    mine = endpoint(session)
    deliver(session, mine, message(session, article(session)), FAILED)

    assert replay(session, mine, Window(since=since)) == 1


def test_other_endpoints_are_left_alone(session: Session) -> None:
    mine, other = endpoint(session), endpoint(session)
    told = message(session, article(session))
    deliver(session, other, told, FAILED)

    replay(session, mine, ALL_TIME)

    assert standing(session, other) == {told.id: "failed"}


def test_what_was_never_given_is_added_from_before_the_endpoint_was_made(session: Session) -> None:
    told = message(session, article(session), 2)
    mine = endpoint(session)

    replayed = replay(session, mine, ALL_TIME, [Replayable.MISSING])

    assert replayed == 1
    row = session.scalars(select(DeliveryRow).where(DeliveryRow.endpoint_id == mine)).one()
    assert (row.message_id, row.message_time) == (told.id, AT)
    assert (row.article_id, row.sequence) == (told.article_id, 2)
    assert (row.state, row.trigger, row.attempts) == ("pending", "replay", 0)
    assert row.shard == session.get_one(EndpointRow, mine).shard
    assert row.next_attempt_at is not None


def test_missing_is_only_what_the_endpoint_asks_for(session: Session) -> None:
    society, economy = (
        article(session, categories=["xa-hoi", "du-lich"]),
        article(session, categories=["kinh-te"]),
    )
    wanted = message(session, society)
    message(session, economy)
    message(session, society, 2, kind="article.corrected", time=AT + HOUR)
    message(session, article(session))
    message(session, None, None, kind="endpoint.disabled")
    mine = endpoint(
        session, event_types=["article.published", "endpoint.*"], categories=["Xã hội", "Du lịch"]
    )

    replayed = replay(session, mine, ALL_TIME)

    assert replayed == 1
    assert standing(session, mine) == {wanted.id: "pending"}


def test_of_a_missing_article_only_the_newest_is_sent(session: Session) -> None:
    identifier = article(session)
    message(session, identifier, 1)
    newest = message(session, identifier, 2, kind="article.corrected")
    mine = endpoint(session)

    assert replay(session, mine, ALL_TIME) == 1
    assert standing(session, mine) == {newest.id: "pending"}


def test_an_older_revision_is_not_missing_where_a_newer_one_is(session: Session) -> None:
    identifier = article(session)
    message(session, identifier, 1)
    newer = message(session, identifier, 2)
    mine = endpoint(session)
    deliver(session, mine, newer, SUCCEEDED, attempts=1)

    assert replay(session, mine, ALL_TIME) == 0


def test_held_revisions_that_were_never_sent_coalesce_into_the_newest(session: Session) -> None:
    mine = endpoint(session)
    identifier = article(session)
    first, second = (message(session, identifier, sequence) for sequence in (1, 2))
    deliver(session, mine, first, HELD)
    deliver(session, mine, second, HELD)

    replayed = replay(session, mine, ALL_TIME)

    assert replayed == 1
    assert standing(session, mine) == {first.id: "cancelled", second.id: "pending"}


def test_a_revision_whose_successor_is_not_replayed_is_sent(session: Session) -> None:
    mine = endpoint(session)
    identifier = article(session)
    first = message(session, identifier, 1)
    second = message(session, identifier, 2, time=AT + 2 * HOUR)
    deliver(session, mine, first, HELD)
    deliver(session, mine, second, HELD)

    replayed = replay(session, mine, Window(since=AT, until=AT + HOUR))

    assert replayed == 1
    assert standing(session, mine) == {first.id: "pending", second.id: "held"}


def test_what_was_scrubbed_is_never_sent_again(session: Session) -> None:
    mine = endpoint(session)
    scrubbed = [message(session, article(session), body=None) for _ in range(3)]
    deliver(session, mine, scrubbed[0], FAILED)
    deliver(session, mine, scrubbed[1], HELD)

    assert replay(session, mine, ALL_TIME) == 0
    assert standing(session, mine) == {scrubbed[0].id: "failed", scrubbed[1].id: "held"}


def test_a_retraction_is_missing_only_where_something_was_sent(session: Session) -> None:
    identifier = article(session)
    published = message(session, identifier, 1, body=None)
    retraction = message(session, identifier, 2, kind="article.retracted")
    told, untold = (endpoint(session, categories=["Xã hội"]) for _ in range(2))
    deliver(session, told, published, SUCCEEDED, attempts=1)

    assert replay(session, untold, ALL_TIME) == 0
    assert replay(session, told, ALL_TIME) == 1
    assert standing(session, told)[retraction.id] == "pending"


def test_many_are_replayed_in_one_go(session: Session) -> None:
    mine = endpoint(session)
    told = [
        {
            "id": new_id(),
            "time": AT,
            "type": "article.published",
            "article_id": new_id(),
            "sequence": 1,
            "body": b"",
        }
        for _ in range(12_000)
    ]
    session.execute(insert(MessageRow), told)

    assert replay(session, mine, ALL_TIME) == 12_000


def test_a_disabled_endpoint_has_to_be_enabled_first(session: Session) -> None:
    mine = endpoint(session)
    disable(session, mine, "gone")
    session.expire_all()

    with pytest.raises(Conflict, match="enable it first"):
        replay(session, mine, ALL_TIME)


def test_nothing_is_replayed_to_a_deleted_endpoint(session: Session) -> None:
    mine = endpoint(session)
    remove(session, mine)

    with pytest.raises(NotFound):
        replay(session, mine, ALL_TIME)
    with pytest.raises(NotFound):
        read(session, mine)


def test_a_replay_is_of_everything_till_now_unless_told_otherwise() -> None:
    wanted = ReplayIn.model_validate({"since": "2026-05-04T10:02:01+07:00"})

    assert wanted.window == Window(since=AT)
    assert wanted.replayable == set(Replayable)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("since", None),
        ("since", 1_777_777_777),
        ("since", "yesterday"),
        ("since", "2026-05-04"),
        ("since", "2026-05-04T03:02:01"),
        ("since", "2026-02-30T03:02:01Z"),
        ("since", "2026-05-04T03:02:01+99:00"),
        ("since", "0001-01-01T00:00:00+14:00"),
        ("since", "9999-12-31T23:59:59-12:00"),
        ("since", "٢٠٢٦-05-04T03:02:01Z"),
        ("until", "2026-05-04T03:02:00Z"),
        ("until", "2026-05-04T03:02:01Z"),
        ("states", []),
        ("states", None),
        ("states", "failed"),
        ("states", ["succeeded"]),
        ("states", ["failed"] * 4),
        ("status", ["failed"]),
    ],
)
def test_a_replay_that_makes_no_sense_is_refused(member: str, value: object) -> None:
    with pytest.raises(ValidationError) as refusal:
        ReplayIn.model_validate({"since": "2026-05-04T03:02:01Z", member: value})

    assert {member} == {error["loc"][0] for error in refusal.value.errors()}
