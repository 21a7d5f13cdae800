"""The outbox: what is owed, who has it, and what becomes of it."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from publisher.database import Sessions
from publisher.events import EventType, Queue
from publisher.ids import new_id
from publisher.outbox.emit import emit
from publisher.outbox.lease import (
    Parcel,
    give_back,
    lease_due,
    leases_ran_out,
    look_ahead,
    take_back,
)
from publisher.outbox.obligation import Done, Failed, Obligation, Postponed
from publisher.outbox.watch import backlogs, replay, steps_of, stuck
from publisher.outbox.work import begin, hand_back, hold, settle
from publisher.schema import EventRow, EventTaskRow, StepRow

LATER = timedelta(hours=1)


def received(session: Session, count: int = 1, *, at: datetime | None = None) -> list[UUID]:
    return [emit(session, EventType.ARTICLE_RECEIVED, new_id(), {"sequence": 1}, at=at) for _ in range(count)]


def leased(session: Session, room: int = 8) -> list[Parcel]:
    return lease_due(session, Queue.PIPELINE, room=room)


def begun(session: Session, parcel: Parcel) -> list[Obligation]:
    return begin(session, parcel.task, parcel.event_ids, parcel.token)


def expire_leases(session: Session) -> None:
    session.execute(update(EventTaskRow).values(lease_until=func.now() - LATER))


def test_an_event_obliges_the_tasks_of_its_route(session: Session) -> None:
    event = emit(session, EventType.ARTICLE_PUBLISHED, new_id(), {"sequence": 1})

    owed = session.scalars(select(EventTaskRow.task).where(EventTaskRow.event_id == event)).all()

    assert sorted(owed) == ["fan_out", "feeds"]


def test_what_is_rolled_back_obliges_nobody(database: Sessions) -> None:
    with database() as session:
        received(session)
        session.rollback()

    with database() as session:
        assert session.scalar(select(func.count()).select_from(EventRow)) == 0
        assert look_ahead(session).due == []


def test_an_obligation_is_leased_once(session: Session) -> None:
    received(session, 3)

    first = leased(session)
    second = leased(session)

    assert sum(len(parcel.event_ids) for parcel in first) == 3
    assert second == []


def test_two_relays_never_lease_the_same(database: Sessions) -> None:
    with database.begin() as session:
        received(session, 40)

    with database() as one, database() as other:
        ours, theirs = leased(one, 2), leased(other, 8)
        one.commit()
        other.commit()

    taken = [event for parcel in ours + theirs for event in parcel.event_ids]
    assert len(taken) == len(set(taken)) == 40


def test_an_embargo_is_not_due_before_its_time(session: Session) -> None:
    at = datetime.now(UTC) + LATER
    received(session, at=at)

    assert look_ahead(session).due == []
    assert look_ahead(session, at=at + LATER).due == [Queue.PIPELINE]


def test_a_takedown_travels_on_a_queue_of_its_own(session: Session) -> None:
    received(session)
    emit(session, EventType.ARTICLE_RETRACTED, new_id())

    assert look_ahead(session).due == [Queue.URGENT, Queue.PIPELINE]


@pytest.mark.parametrize(
    ("due", "room", "sizes"),
    [
        (1, 8, [1]),
        (8, 8, [1] * 8),
        (20, 8, [3, 3, 3, 3, 3, 3, 2]),
        (600, 8, [64] * 8),
        (10, 1, [10]),
    ],
)
def test_quiet_work_travels_alone_and_a_backlog_together(
    session: Session, due: int, room: int, sizes: list[int]
) -> None:
    received(session, due)

    parcels = leased(session, room)

    assert [len(parcel.event_ids) for parcel in parcels] == sizes


def test_what_died_once_travels_alone(session: Session) -> None:
    received(session, 20)
    for parcel in leased(session, 1):
        begun(session, parcel)
    expire_leases(session)
    take_back(session, waiting=())
    received(session, 2)

    parcels = lease_due(session, Queue.PIPELINE, room=30, at=datetime.now(UTC) + LATER)

    assert sorted(len(parcel.event_ids) for parcel in parcels) == [1] * 22


def test_what_died_once_does_not_wait_behind_what_came_later(session: Session) -> None:
    (old,) = received(session)
    (parcel,) = leased(session)
    begun(session, parcel)
    expire_leases(session)
    take_back(session, waiting=())
    received(session, 600)

    parcels = leased(session)

    assert parcels[0].event_ids == (old,)
    assert len(parcels) == 8


def test_a_task_delivered_twice_begins_once(session: Session) -> None:
    received(session)
    (parcel,) = leased(session)

    first = begun(session, parcel)
    second = begun(session, parcel)

    assert len(first) == 1
    assert second == []


def test_a_void_token_begins_and_holds_nothing(session: Session) -> None:
    received(session)
    (parcel,) = leased(session)
    obligations = begun(session, parcel)
    expire_leases(session)
    take_back(session, waiting=())
    (again,) = lease_due(session, Queue.PIPELINE, room=1, at=datetime.now(UTC) + LATER)

    assert again.event_ids == parcel.event_ids
    assert begun(session, parcel) == []
    assert hold(session, obligations, parcel.token) == []
    assert len(begun(session, again)) == 1


def test_a_finished_obligation_becomes_a_step(session: Session) -> None:
    received(session)
    (parcel,) = leased(session)
    (obligation,) = begun(session, parcel)

    settle(session, {obligation: Done(outcome="enriched")})

    assert session.scalar(select(func.count()).select_from(EventTaskRow)) == 0
    assert session.scalars(select(StepRow.outcome)).all() == ["enriched"]
    assert [step.name for step in steps_of(session, obligation.subject)] == ["article.received", "enrich"]


def test_a_postponed_obligation_comes_due_again_with_its_new_data(session: Session) -> None:
    received(session)
    (parcel,) = leased(session)
    (obligation,) = begun(session, parcel)

    settle(session, {obligation: Postponed(data={"cursor": "x"})})

    (again,) = leased(session)
    (resumed,) = begun(session, again)
    assert resumed.data == {"cursor": "x"}
    assert resumed.failures == 0


def test_a_failure_is_tried_again_and_stuck_after_the_sixth(session: Session) -> None:
    received(session)

    for _ in range(6):
        session.execute(update(EventTaskRow).values(due_at=func.now()))
        (parcel,) = leased(session)
        (obligation,) = begun(session, parcel)
        settle(session, {obligation: Failed(error="ValueError: no")})

    session.execute(update(EventTaskRow).values(due_at=func.now()))
    assert leased(session) == []
    (one,) = stuck(session)
    assert (one.failures, one.last_error) == (6, "ValueError: no")
    assert backlogs(session)["enrich"].stuck == 1


def test_a_replay_makes_stuck_work_due_again(session: Session) -> None:
    (event,) = received(session)
    session.execute(update(EventTaskRow).values(stuck=True, failures=6))

    assert replay(session, [new_id()]) == 0
    assert replay(session, [event]) == 1

    (parcel,) = leased(session)
    assert begun(session, parcel)[0].failures == 0


def test_work_that_was_handed_back_was_never_begun(session: Session) -> None:
    received(session, 2)
    (parcel,) = leased(session, 1)
    obligations = begun(session, parcel)

    hand_back(session, obligations)

    assert session.execute(select(EventTaskRow.starts, EventTaskRow.failures)).all() == [(0, 0), (0, 0)]
    assert [len(parcel.event_ids) for parcel in leased(session, 1)] == [2]


def test_a_message_that_still_waits_keeps_its_lease(session: Session) -> None:
    received(session)
    (parcel,) = leased(session)
    expire_leases(session)

    assert take_back(session, waiting={parcel.token}) == 0
    assert len(begun(session, parcel)) == 1


def test_the_look_for_leases_that_ran_out_reads_nothing_else(session: Session) -> None:
    received(session, 3_000)
    parcels = lease_due(session, Queue.PIPELINE, room=100)
    expire_leases(session)
    # PostgreSQL believes from now on that all leases of a full table ran out.
    session.execute(text("ANALYZE event_task"))
    give_back(session, parcels)
    read = text("SELECT seq_tup_read FROM pg_stat_xact_user_tables WHERE relname = 'event_task'")
    before = session.scalar(read)

    assert not leases_ran_out(session)
    assert session.scalar(read) == before


def test_a_lost_message_is_due_again_at_no_charge(session: Session) -> None:
    received(session)
    leased(session)
    expire_leases(session)

    assert take_back(session, waiting=()) == 1

    assert session.execute(select(EventTaskRow.starts, EventTaskRow.failures)).all() == [(0, 0)]
    assert len(leased(session)) == 1


def test_a_lost_run_counts_as_a_failure(session: Session) -> None:
    received(session)
    (parcel,) = leased(session)
    begun(session, parcel)
    expire_leases(session)

    assert take_back(session, waiting={parcel.token}) == 1

    assert session.execute(select(EventTaskRow.starts, EventTaskRow.failures)).all() == [(1, 1)]


def test_a_lease_whose_message_could_not_be_sent_is_given_back(session: Session) -> None:
    received(session, 3)
    parcels = leased(session)

    give_back(session, parcels)

    assert sum(len(parcel.event_ids) for parcel in leased(session)) == 3


def test_the_relay_knows_how_long_it_may_rest(session: Session) -> None:
    now = session.scalar(select(func.now()))
    assert now is not None
    assert look_ahead(session).next_in == timedelta.max

    received(session, at=now + timedelta(hours=1))
    assert look_ahead(session).next_in == timedelta(hours=1)

    received(session, at=now + timedelta(milliseconds=100))
    assert look_ahead(session).next_in == timedelta(milliseconds=100)
    assert look_ahead(session).due == []
