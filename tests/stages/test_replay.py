"""Deliveries read back with every attempt, and the past sent again, once each."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import Engine, event, func, insert, inspect, select, text
from sqlalchemy.orm import Session

from publisher.errors import Conflict, NotFound
from publisher.ids import new_id
from publisher.notify.endpoints.disabling import disable
from publisher.notify.endpoints.store import read, remove
from publisher.notify.history.deliveries import Attempt, newest_deliveries
from publisher.notify.outcome import DeliveryState
from publisher.notify.replaying.past import Past, Window
from publisher.notify.replaying.replay_in import ReplayIn
from publisher.schema import AttemptRow, DeliveryRow, EndpointRow
from tests.stages.told import (
    ALL_TIME,
    AT,
    FAILED,
    HELD,
    HOUR,
    PENDING,
    SUCCEEDED,
    Told,
    again,
    article,
    deliver,
    endpoint,
    message,
    standing,
)


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
        url="https://example.com/new",
        status=None,
        error="refused_address",
        duration_ms=0,
        address="10.0.0.1",
        response_headers=None,
        response_body=None,
    )
    failed = Attempt(
        number=1,
        trigger="auto",
        at=AT,
        url="https://example.com/",
        status=503,
        error=None,
        duration_ms=812,
        address="192.0.2.1",
        response_headers={"server": "somebody's"},
        response_body="later",
    )
    for one in (refused, failed):
        values = {**vars(one), "delivery_id": delivery_id, "endpoint_id": mine}
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

    replayed = again(session, mine)

    assert replayed == 2
    assert standing(session, mine) == {failed.id: "pending", held.id: "pending", sent.id: "succeeded"}
    row = session.scalars(select(DeliveryRow).where(DeliveryRow.message_id == failed.id)).one()
    assert (row.attempts, row.trigger) == (10, "replay")
    # The first one at once; which one that is, is up to their ids.
    waits = DeliveryRow.state == PENDING
    first = session.scalar(select(func.min(DeliveryRow.next_attempt_at)).where(waits))
    assert first == session.scalar(select(func.now()))


def test_a_replay_again_finds_nothing(session: Session) -> None:
    mine = endpoint(session)
    deliver(session, mine, message(session, article(session)), FAILED)
    message(session, article(session))
    assert again(session, mine) == 2

    assert again(session, mine) == 0


@pytest.mark.parametrize("state", [FAILED, HELD])
def test_only_the_states_that_were_asked_for_are_replayed(session: Session, state: DeliveryState) -> None:
    mine = endpoint(session)
    told = {one: message(session, article(session)) for one in (FAILED, HELD)}
    for one, waiting in told.items():
        deliver(session, mine, waiting, one)
    message(session, article(session))

    replayed = again(session, mine, ALL_TIME, state)

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

    assert again(session, mine, Window(since=AT, until=AT + 2 * HOUR)) == 6


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
    again(session, mine, ALL_TIME, "failed")
    looks = [one for one in statements if one[0].startswith(("SELECT delivery.message_id", "WITH locked"))]

    plans = [
        "\n".join(row[0] for row in connection.exec_driver_sql(f"EXPLAIN {look}", values))
        for look, values in looks
    ]

    assert len(plans) == 2
    assert all(re.search(r"Index Cond:.*message_id >= ", plan) for plan in plans), plans


def test_a_tombstone_is_found_by_its_article(engine: Engine) -> None:
    key = inspect(engine).get_pk_constraint("tombstone")

    assert key["constrained_columns"] == ["article_id", "label_id"]


@pytest.mark.parametrize("since", [datetime.min.replace(tzinfo=UTC), AT - timedelta(days=40_000)])
def test_a_window_may_begin_before_all_time(session: Session, since: datetime) -> None:
    mine = endpoint(session)
    deliver(session, mine, message(session, article(session)), FAILED)

    assert again(session, mine, Window(since=since)) == 1


def test_other_endpoints_are_left_alone(session: Session) -> None:
    mine, other = endpoint(session), endpoint(session)
    told = message(session, article(session))
    deliver(session, other, told, FAILED)

    again(session, mine)

    assert standing(session, other) == {told.id: "failed"}


def test_what_was_never_given_is_added_from_before_the_endpoint_was_made(session: Session) -> None:
    told = message(session, article(session), 2)
    mine = endpoint(session)

    replayed = again(session, mine, ALL_TIME, "missing")

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

    replayed = again(session, mine)

    assert replayed == 1
    assert standing(session, mine) == {wanted.id: "pending"}


def test_of_a_missing_article_only_the_newest_is_sent(session: Session) -> None:
    identifier = article(session)
    message(session, identifier, 1)
    newest = message(session, identifier, 2, kind="article.corrected")
    mine = endpoint(session)

    assert again(session, mine) == 1
    assert standing(session, mine) == {newest.id: "pending"}


def test_an_older_revision_is_not_missing_where_a_newer_one_is(session: Session) -> None:
    identifier = article(session)
    message(session, identifier, 1)
    newer = message(session, identifier, 2)
    mine = endpoint(session)
    deliver(session, mine, newer, SUCCEEDED, attempts=1)

    assert again(session, mine) == 0


def test_held_revisions_that_were_never_sent_coalesce_into_the_newest(session: Session) -> None:
    mine = endpoint(session)
    identifier = article(session)
    first, second = (message(session, identifier, sequence) for sequence in (1, 2))
    deliver(session, mine, first, HELD)
    deliver(session, mine, second, HELD)

    replayed = again(session, mine)

    assert replayed == 1
    assert standing(session, mine) == {first.id: "cancelled", second.id: "pending"}


def test_a_revision_whose_successor_is_not_replayed_is_sent(session: Session) -> None:
    mine = endpoint(session)
    identifier = article(session)
    first = message(session, identifier, 1)
    second = message(session, identifier, 2, time=AT + 2 * HOUR)
    deliver(session, mine, first, HELD)
    deliver(session, mine, second, HELD)

    replayed = again(session, mine, Window(since=AT, until=AT + HOUR))

    assert replayed == 1
    assert standing(session, mine) == {first.id: "pending", second.id: "held"}


def test_what_was_scrubbed_is_never_sent_again(session: Session) -> None:
    mine = endpoint(session)
    scrubbed = [message(session, article(session), body=None) for _ in range(3)]
    deliver(session, mine, scrubbed[0], FAILED)
    deliver(session, mine, scrubbed[1], HELD)

    assert again(session, mine) == 0
    assert standing(session, mine) == {scrubbed[0].id: "failed", scrubbed[1].id: "held"}


def test_a_retraction_is_missing_only_where_something_was_sent(session: Session) -> None:
    identifier = article(session)
    published = message(session, identifier, 1, body=None)
    retraction = message(session, identifier, 2, kind="article.retracted")
    told, untold = (endpoint(session, categories=["Xã hội"]) for _ in range(2))
    deliver(session, told, published, SUCCEEDED, attempts=1)

    assert again(session, untold) == 0
    assert again(session, told) == 1
    assert standing(session, told)[retraction.id] == "pending"


def test_a_disabled_endpoint_has_to_be_enabled_first(session: Session) -> None:
    mine = endpoint(session)
    disable(session, mine, "gone")
    session.expire_all()

    with pytest.raises(Conflict, match="enable it first"):
        again(session, mine)


def test_nothing_is_replayed_to_a_deleted_endpoint(session: Session) -> None:
    mine = endpoint(session)
    remove(session, mine)

    with pytest.raises(NotFound):
        again(session, mine)
    with pytest.raises(NotFound):
        read(session, mine)


def test_a_replay_is_of_everything_till_now_unless_told_otherwise() -> None:
    wanted = ReplayIn.model_validate({"since": "2026-05-04T10:02:01+07:00"})

    assert wanted.past == Past(window=Window(since=AT))


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
