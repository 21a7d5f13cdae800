"""Pauses: nothing of what is held back begins, nothing is lost by it, and it goes on at once afterwards."""

import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
from sqlalchemy import func, insert, text, update
from sqlalchemy.orm import Session

from publisher.database import Sessions
from publisher.events import EventType, Queue
from publisher.ids import new_id
from publisher.notify.claiming.claim import claim
from publisher.notify.endpoints.pausing import pause_endpoint, resume_endpoint
from publisher.notify.endpoints.store import read, remove
from publisher.notify.history.deliveries import newest_deliveries
from publisher.notify.memory.room import Room
from publisher.notify.outcome import DeliveryState
from publisher.notify.shards.leases import beat
from publisher.outbox.emit import emit
from publisher.outbox.lease import lease_due, leases_ran_out, look_ahead, take_back
from publisher.outbox.obligation import Failed
from publisher.outbox.parking import SLICE, bring_back
from publisher.outbox.watch import backlogs
from publisher.outbox.work import begin, settle
from publisher.pauses import Stage, pause, pauses, resume
from publisher.schema import EndpointRow, EventTaskRow
from tests.stages.subscribers import BOX, Subscribers

HOUR = timedelta(hours=1)


def backlog(session: Session, count: int) -> None:
    """Owe the enriching of many articles."""
    rows = [
        {
            "task": "enrich",
            "event_id": new_id(),
            "queue": Queue.PIPELINE,
            "type": EventType.ARTICLE_RECEIVED,
            "subject": new_id(),
            "data": {},
        }
        for _ in range(count)
    ]
    session.execute(insert(EventTaskRow).values(due_at=func.now()), rows)


def sent(session: Session, queue: Queue = Queue.PIPELINE) -> list[str]:
    """Lease what is due; return the task of each obligation."""
    return sorted(parcel.task for parcel in lease_due(session, queue, room=8) for _ in parcel.event_ids)


def test_nothing_of_a_paused_stage_is_sent_and_the_rest_is(session: Session) -> None:
    pause(session, Stage.FEEDS, reason=None)
    emit(session, EventType.ARTICLE_PUBLISHED, new_id(), {"sequence": 1})

    assert sent(session) == ["fan_out"]
    assert sent(session) == []


def test_what_is_paused_waits_in_the_record_and_is_not_stuck(session: Session) -> None:
    pause(session, Stage.ENRICH, reason=None)
    backlog(session, 3)
    sent(session)

    found = backlogs(session)["enrich"]

    assert (found.waiting, found.in_flight, found.stuck) == (3, 0, 0)


def test_what_is_paused_is_met_once_and_then_nothing_is_due(session: Session) -> None:
    pause(session, Stage.ENRICH, reason=None)
    backlog(session, 3)
    assert look_ahead(session).due == [Queue.PIPELINE]

    sent(session)

    assert look_ahead(session).due == []
    assert look_ahead(session).next_in == timedelta.max


def test_looks_at_a_long_paused_backlog_read_none_of_it(session: Session) -> None:
    pause(session, Stage.ENRICH, reason=None)
    backlog(session, 3_000)
    while look_ahead(session).due:
        sent(session)
    session.execute(text("ANALYZE event_task"))
    session.execute(text("SET LOCAL plan_cache_mode = force_generic_plan"))
    read = text("SELECT seq_tup_read FROM pg_stat_xact_user_tables WHERE relname = 'event_task'")
    before = session.scalar(read)

    # Often enough that PostgreSQL plans without knowing the parameters.
    for _ in range(8):
        assert look_ahead(session).due == []
        assert look_ahead(session).next_in == timedelta.max
        assert not leases_ran_out(session)
        assert bring_back(session) == 0

    assert session.scalar(read) == before


def test_work_behind_a_long_paused_backlog_is_sent(session: Session) -> None:
    pause(session, Stage.ENRICH, reason=None)
    backlog(session, 1_500)
    emit(session, EventType.ARTICLE_ENRICHED, new_id(), {"sequence": 1})

    looks = [sent(session) for _ in range(4)]

    assert looks == [[], [], ["publish"], []]


def test_what_was_put_aside_comes_back_when_the_stage_is_resumed(session: Session) -> None:
    pause(session, Stage.FEEDS, reason=None)
    emit(session, EventType.ARTICLE_RETRACTED, new_id(), {"sequence": 2})
    assert sent(session, Queue.URGENT) == ["fan_out"]
    assert bring_back(session) == 0

    resume(session, Stage.FEEDS)
    moved = bring_back(session)

    assert moved == 1
    assert sent(session, Queue.URGENT) == ["feeds"]


def test_a_long_backlog_comes_back_in_slices(session: Session) -> None:
    backlog(session, SLICE + 1)
    session.execute(update(EventTaskRow).values(queue="pipeline/enrich"))

    assert [bring_back(session), bring_back(session), bring_back(session)] == [SLICE, 1, 0]


def test_one_stage_is_resumed_while_another_stays_paused(session: Session) -> None:
    for stage in (Stage.ENRICH, Stage.PUBLISH):
        pause(session, stage, reason=None)
    emit(session, EventType.ARTICLE_RECEIVED, new_id(), {"sequence": 1})
    emit(session, EventType.ARTICLE_ENRICHED, new_id(), {"sequence": 1})
    assert sent(session) == []

    resume(session, Stage.ENRICH)
    bring_back(session)

    assert sent(session) == ["enrich"]


def test_what_had_begun_goes_on_and_its_next_try_waits(session: Session) -> None:
    event = emit(session, EventType.ARTICLE_RECEIVED, new_id(), {"sequence": 1})
    (parcel,) = lease_due(session, Queue.PIPELINE, room=1)
    (begun,) = begin(session, parcel.task, parcel.event_ids, parcel.token)

    pause(session, Stage.ENRICH, reason=None)
    settle(session, {begun: Failed(error="ValueError: bad")})

    assert begun.event_id == event
    assert sent(session) == []
    assert backlogs(session)["enrich"].waiting == 1


def test_what_stands_in_redis_when_its_stage_is_paused_does_not_begin(session: Session) -> None:
    backlog(session, 1)
    (parcel,) = lease_due(session, Queue.PIPELINE, room=1)
    pause(session, Stage.ENRICH, reason=None)

    assert begin(session, parcel.task, parcel.event_ids, parcel.token) == []


def test_a_message_that_is_lost_while_its_stage_is_paused_waits_as_well(session: Session) -> None:
    backlog(session, 1)
    assert sent(session) == ["enrich"]
    pause(session, Stage.ENRICH, reason=None)
    later = datetime.now(UTC) + HOUR

    assert take_back(session, waiting=(), at=later) == 1

    assert sent(session) == []


def test_pausing_twice_keeps_the_first_pause(database: Sessions) -> None:
    with database.begin() as session:
        first, is_new = pause(session, Stage.FEEDS, reason="new style")

    with database.begin() as session:
        second, is_new_again = pause(session, Stage.FEEDS, reason="something else")

    assert (is_new, is_new_again) == (True, False)
    assert first == second
    assert (second.what, second.reason) == ("feeds", "new style")


def test_resuming_tells_what_ended_and_twice_changes_nothing(session: Session) -> None:
    paused, _ = pause(session, Stage.FEEDS, reason="new style")

    assert resume(session, Stage.FEEDS) == paused
    assert resume(session, Stage.FEEDS) is None
    assert pauses(session) == []


def test_every_pause_is_listed_once_with_its_reason(database: Sessions) -> None:
    reader = Subscribers(database).subscribe()
    with database.begin() as session:
        pause(session, Stage.FEEDS, reason="new style")
    with database.begin() as session:
        pause_endpoint(session, reader, reason="they are moving")

    with database() as session:
        found = [(one.what, one.reason) for one in pauses(session)]

    assert found == [("feeds", "new style"), (str(reader), "they are moving")]


def shown(session: Session, reader: UUID, state: DeliveryState | None = None) -> list[DeliveryState]:
    return [one.state for one in newest_deliveries(session, reader, limit=10, state=state)]


def test_deliveries_of_a_paused_endpoint_are_held_and_released_when_it_is_resumed(
    database: Sessions,
) -> None:
    some = Subscribers(database)
    reader, other = some.subscribe(), some.subscribe()
    some.tell(reader, other)
    with database.begin() as session:
        pause_endpoint(session, reader, reason=None)

    with database() as session:
        assert shown(session, reader) == [DeliveryState.HELD]
        assert shown(session, reader, DeliveryState.HELD) == [DeliveryState.HELD]
        assert shown(session, reader, DeliveryState.PENDING) == []
        assert shown(session, reader, DeliveryState.FAILED) == []
        assert shown(session, other) == [DeliveryState.PENDING]
        assert newest_deliveries(session, reader, limit=1)[0].next_attempt_at is None
        assert read(session, reader).is_paused(at=datetime.now(UTC))
    with database.begin() as session:
        resume_endpoint(session, reader)
    with database() as session:
        assert shown(session, reader, DeliveryState.PENDING) == [DeliveryState.PENDING]
        assert not read(session, reader).is_paused(at=datetime.now(UTC))


def test_deliveries_are_held_while_the_receiver_wants_silence(database: Sessions) -> None:
    some = Subscribers(database)
    reader = some.subscribe()
    some.tell(reader)
    until = datetime.now(UTC) + HOUR
    with database.begin() as session:
        session.execute(update(EndpointRow).values(paused_until=until))

    with database() as session:
        (held,) = newest_deliveries(session, reader, limit=10, state=DeliveryState.HELD)
        assert (held.state, held.next_attempt_at) == (DeliveryState.HELD, until)
    with database.begin() as session:
        session.execute(update(EndpointRow).values(paused_until=datetime.now(UTC) - HOUR))
    with database() as session:
        assert shown(session, reader) == [DeliveryState.PENDING]


def test_the_pause_of_a_deleted_endpoint_is_over(database: Sessions) -> None:
    reader = Subscribers(database).subscribe()
    with database.begin() as session:
        pause_endpoint(session, reader, reason=None)

    with database.begin() as session:
        remove(session, reader)

    with database() as session:
        assert pauses(session) == []


def claimed(database: Sessions, me: UUID) -> set[UUID]:
    """Return the endpoints to which a sender would send now."""
    with database.begin() as session:
        leases = beat(session, me, in_flight=0, busy=(), started=time.monotonic()).leases
        found = claim(session, leases, Room(slots=10), box=BOX, now=datetime.now(UTC))
    return {one.endpoint_id for one in found.deliveries}


def test_nothing_is_sent_to_a_paused_endpoint_and_to_the_others_it_is(database: Sessions) -> None:
    some, me = Subscribers(database), new_id()
    reader, other = some.subscribe(), some.subscribe()
    some.tell(reader, other)
    with database.begin() as session:
        pause_endpoint(session, reader, reason=None)

    while_paused = claimed(database, me)
    with database.begin() as session:
        resume_endpoint(session, reader)

    assert while_paused == {other}
    assert claimed(database, me) == {reader, other}


def test_nothing_is_sent_to_anybody_while_deliveries_are_paused(database: Sessions) -> None:
    some, me = Subscribers(database), new_id()
    reader = some.subscribe()
    some.tell(reader)
    with database.begin() as session:
        pause(session, Stage.DELIVER, reason=None)

    while_paused = claimed(database, me)
    with database.begin() as session:
        resume(session, Stage.DELIVER)

    assert (while_paused, claimed(database, me)) == (set(), {reader})


def test_resuming_deliveries_wakes_the_senders(database: Sessions, postgres_url: str) -> None:
    reader = Subscribers(database).subscribe()
    with database.begin() as session:
        pause(session, Stage.DELIVER, reason=None)
        pause_endpoint(session, reader, reason=None)

    with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as listener:
        listener.execute("LISTEN deliveries")
        with database.begin() as session:
            resume(session, Stage.DELIVER)
        by_stage = list(listener.notifies(timeout=5, stop_after=1))
        with database.begin() as session:
            resume_endpoint(session, reader)
        by_endpoint = list(listener.notifies(timeout=5, stop_after=1))

    assert by_stage
    assert by_endpoint
