"""Claims and flushes: what a sender may take, and that only its owner changes a delivery."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import RowMapping, event, func, select, text, update
from sqlalchemy.orm import Session

from publisher.database import Sessions
from publisher.errors import SettingsError
from publisher.ids import new_id
from publisher.notify.claiming.aside import put_aside
from publisher.notify.claiming.claim import Claim, claim
from publisher.notify.memory.room import Room
from publisher.notify.outcome import Answer, DeliveryState, judge
from publisher.notify.recording.flush import flush
from publisher.notify.recording.report import Report
from publisher.notify.recording.settling import settle
from publisher.notify.secrets.box import SecretBox
from publisher.notify.shards.holdings import Lease
from publisher.notify.shards.leases import beat
from publisher.notify.wire.response_headers import response_headers
from publisher.schema import (
    AttemptRow,
    DeliveryRow,
    EndpointRow,
    EndpointSecretRow,
    EventRow,
    EventTaskRow,
    ShardLeaseRow,
)
from tests.stages.lock_order import locks_by_id
from tests.stages.subscribers import BOX, Subscribers, leases_end

PENDING, SUCCEEDED = DeliveryState.PENDING, DeliveryState.SUCCEEDED
HELD, CANCELLED = DeliveryState.HELD, DeliveryState.CANCELLED


def claimed_by(session: Session, me: UUID) -> tuple[dict[int, Lease], Claim]:
    leases = dict(beat(session, me, in_flight=0, busy=(), started=time.monotonic()).leases)
    return leases, claim(session, leases, Room(slots=10), box=BOX, now=datetime.now(UTC))


def report_of(found: Claim, answer: Answer) -> list[Report]:
    at = datetime.now(UTC)
    return [
        Report(
            claimed=one,
            answer=answer,
            outcome=judge(answer, attempts=one.attempts + 1, at=at, jitter=0.0),
            at=at,
            ended_at=at,
        )
        for one in found.deliveries
    ]


def everything(database: Sessions) -> list[list[RowMapping]]:
    """Return every row that outcomes may change."""
    with database() as session:
        return [
            list(session.execute(select(row.__table__)).mappings())
            for row in (AttemptRow, DeliveryRow, EndpointRow, EventRow, EventTaskRow)
        ]


@pytest.mark.parametrize(
    "answer",
    [
        Answer(status=204),
        Answer(status=500),
        Answer(status=410),
        Answer(status=429, headers={"retry-after": "120"}),
    ],
    ids=lambda answer: str(answer.status),
)
def test_a_pump_that_slept_past_its_lease_changes_nothing(database: Sessions, answer: Answer) -> None:
    some = Subscribers(database)
    some.tell(some.subscribe())
    sleeping, awake = new_id(), new_id()
    with some.sessions.begin() as session:
        _, found = claimed_by(session, sleeping)
    leases_end(some.sessions, sleeping)
    with some.sessions.begin() as session:
        claimed_by(session, awake)
    reports, before = report_of(found, answer), everything(database)

    with some.sessions.begin() as session:
        disabled = settle(session, reports[0])
        recorded = flush(session, reports)

    assert (recorded, disabled) == ([], False)
    assert everything(database) == before


@pytest.mark.parametrize(
    ("meanwhile", "status", "expected"),
    [
        (CANCELLED, 500, CANCELLED),
        (CANCELLED, 204, SUCCEEDED),
        (HELD, 500, HELD),
        (HELD, 204, SUCCEEDED),
    ],
)
def test_what_was_decided_while_a_request_was_in_flight_stays_unless_it_arrived(
    database: Sessions, meanwhile: DeliveryState, status: int, expected: DeliveryState
) -> None:
    some = Subscribers(database)
    some.tell(some.subscribe())
    with some.sessions.begin() as session:
        _, found = claimed_by(session, new_id())
        session.execute(update(DeliveryRow).values(state=meanwhile, next_attempt_at=None))

    with some.sessions.begin() as session:
        flush(session, report_of(found, Answer(status=status)))

    (delivery,) = some.deliveries()
    assert (delivery.state, delivery.attempts, delivery.next_attempt_at) == (expected, 1, None)


def test_what_has_become_newer_since_it_was_looked_at_is_not_put_aside(database: Sessions) -> None:
    some = Subscribers(database)
    some.tell(some.subscribe())
    with some.sessions.begin() as session:
        leases, _ = claimed_by(session, new_id())
        seen = session.execute(select(DeliveryRow.id, DeliveryRow.shard, DeliveryRow.sequence)).all()
        session.execute(update(DeliveryRow).values(sequence=DeliveryRow.sequence + 1))

    with some.sessions.begin() as session:
        put_aside(session, leases, cancelled=seen, held=[])

    (delivery,) = some.deliveries()
    assert delivery.state == PENDING


def test_a_header_that_is_no_text_can_be_recorded(database: Sessions) -> None:
    some = Subscribers(database)
    some.tell(some.subscribe())
    with some.sessions.begin() as session:
        _, found = claimed_by(session, new_id())
    heard = response_headers([(b"retry-after", b"\xff\x00 soon")])

    with some.sessions.begin() as session:
        recorded = flush(session, report_of(found, Answer(status=503, headers=heard)))

    assert len(recorded) == 1
    assert some.attempts()[0].response_headers == {"retry-after": "\ufffd\ufffd soon"}


def test_outcomes_that_are_recorded_again_are_recorded_once(database: Sessions) -> None:
    some = Subscribers(database)
    some.tell(some.subscribe())
    with some.sessions.begin() as session:
        _, found = claimed_by(session, new_id())
    reports = report_of(found, Answer(status=204))

    # As a sender does whose commit came through, but not the word that it had.
    for _ in range(2):
        with some.sessions.begin() as session:
            flush(session, reports)

    (delivery,) = some.deliveries()
    assert (delivery.state, delivery.attempts, len(some.attempts())) == (SUCCEEDED, 1, 1)


def test_a_look_takes_no_more_than_there_is_room_for(database: Sessions) -> None:
    some = Subscribers(database)
    readers = [some.subscribe() for _ in range(30)]
    some.tell(*readers)
    with some.sessions.begin() as session:
        leases, found = claimed_by(session, new_id())
        busy = {one.id for one in found.deliveries}

        rest = claim(session, leases, Room(slots=100, busy=busy), box=BOX, now=datetime.now(UTC))

    assert (len(found.deliveries), found.more) == (10, True)
    assert len(rest.deliveries) + len(busy) == 30
    assert not {one.id for one in rest.deliveries} & set(busy)


def test_of_what_came_due_at_the_same_instant_every_shard_has_its_turn(database: Sessions) -> None:
    some = Subscribers(database)
    readers = [some.subscribe() for _ in range(200)]
    some.tell(*readers, next_attempt_at=datetime.now(UTC) - timedelta(seconds=5))
    with some.sessions.begin() as session:
        leases = dict(beat(session, new_id(), in_flight=0, busy=(), started=time.monotonic()).leases)

        found = claim(session, leases, Room(slots=30), box=BOX, now=datetime.now(UTC))

    assert len({one.shard for one in found.deliveries}) == 30


def test_what_is_not_due_or_not_ours_is_left_alone(database: Sessions) -> None:
    some = Subscribers(database)
    reader = some.subscribe()
    some.tell(reader, next_attempt_at=datetime.now(UTC) + timedelta(minutes=1))
    with some.sessions.begin() as session:
        leases, found = claimed_by(session, new_id())
        soon = datetime.now(UTC) + timedelta(minutes=2)
        ours = claim(session, leases, Room(slots=10), box=BOX, now=soon, at=soon)
        del leases[some.endpoint(reader).shard]

        others = claim(session, leases, Room(slots=10), box=BOX, now=soon, at=soon)

    assert [len(one.deliveries) for one in (found, ours, others)] == [0, 1, 0]


def test_an_endpoint_whose_secret_cannot_be_read_keeps_nobody_else_waiting(database: Sessions) -> None:
    some = Subscribers(database)
    broken, healthy = some.subscribe(), some.subscribe()
    some.tell(broken, healthy)
    with some.sessions.begin() as session:
        mine = EndpointSecretRow.endpoint_id == broken
        session.execute(update(EndpointSecretRow).where(mine).values(encrypted=b"\x01broken"))

    with some.sessions.begin() as session:
        _, found = claimed_by(session, new_id())

    assert [one.endpoint_id for one in found.deliveries] == [healthy]
    assert {one.endpoint_id: one.state for one in some.deliveries()} == {broken: HELD, healthy: PENDING}


def test_with_a_wrong_key_nothing_is_put_aside(database: Sessions) -> None:
    some = Subscribers(database)
    some.tell(some.subscribe(), some.subscribe())
    wrong = SecretBox("some other key, just as long")

    with some.sessions.begin() as session:
        leases = dict(beat(session, new_id(), in_flight=0, busy=(), started=time.monotonic()).leases)
        with pytest.raises(SettingsError, match="PUBLISHER_SECRET_KEY"):
            claim(session, leases, Room(slots=10), box=wrong, now=datetime.now(UTC))

    assert some.all_are(PENDING)


def test_what_is_put_aside_is_locked_in_the_order_of_ids(database: Sessions) -> None:
    some = Subscribers(database)
    disabled, deleted = some.subscribe(), some.subscribe()
    low, high = UUID(int=1), UUID(int=2)
    # As they lie in the table is not how they are to be locked.
    some.tell(deleted, id=high)
    some.tell(disabled, id=low)
    with some.sessions.begin() as session:
        session.execute(update(EndpointRow).where(EndpointRow.id == disabled).values(enabled=False))
        session.execute(update(EndpointRow).where(EndpointRow.id == deleted).values(deleted_at=func.now()))

    assert locks_by_id(database, low, high, lambda session: claimed_by(session, new_id()))
    assert {one.id: one.state for one in some.deliveries()} == {low: HELD, high: CANCELLED}


def test_one_shard_that_was_lost_costs_no_report_of_the_others(database: Sessions) -> None:
    some = Subscribers(database)
    for _ in range(2):
        some.tell(some.subscribe(), some.subscribe())
    with database.begin() as session:
        _, found = claimed_by(session, new_id())
    lost = found.deliveries[0].shard
    with database.begin() as session:
        session.execute(
            update(ShardLeaseRow)
            .where(ShardLeaseRow.shard == lost)
            .values(holder=new_id(), token=ShardLeaseRow.token + 1)
        )
    reports = report_of(found, Answer(status=204))
    kept = [one for one in reports if one.claimed.shard != lost]

    with database.begin() as session:
        recorded = flush(session, reports)

    assert recorded == kept
    assert len(some.attempts()) == len(kept)


def test_no_other_index_fits_what_is_asked_by_shard_and_time(database: Sessions) -> None:
    """A planner that last saw an empty queue would take it, and walk along all that waits for each shard."""
    with database() as session:
        statements: list[tuple[str, Any]] = []
        connection = session.connection()
        event.listen(connection, "before_cursor_execute", lambda *args: statements.append((args[2], args[3])))
        claimed_by(session, new_id())
        look, values = next(one for one in statements if "row_number" in one[0])

        def walk() -> str:
            plan = "\n".join(row[0] for row in connection.exec_driver_sql(f"EXPLAIN {look}", values))
            return next(line for line in plan.splitlines() if " on delivery " in line)

        session.execute(text("SET LOCAL enable_seqscan = off"))
        with_it = walk()
        session.execute(text("DROP INDEX delivery_due"))
        without_it = walk()

    assert "delivery_due" in with_it
    assert "Seq Scan" in without_it
