"""A large replay: more than one transaction takes, once each whatever dies, at a rate that does not flood."""

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, insert, select, text, update
from sqlalchemy.orm import Session

from publisher.database import Sessions
from publisher.events import EventType
from publisher.notify.endpoints.disabling import disable
from publisher.notify.endpoints.store import remove, shard_of
from publisher.notify.fan_out.message import message_name
from publisher.notify.replaying.past import RATE_PER_S, Past, Window
from publisher.notify.replaying.replay import SLICE, store_replays
from publisher.outbox.obligation import Done, Fate, Postponed
from publisher.outbox.work import settle
from publisher.schema import AttemptRow, DeliveryRow, EventRow, MessageRow
from tests.databases import until_somebody_waits
from tests.stages.articles import owed
from tests.stages.listening import Making
from tests.stages.lock_order import locks_by_id
from tests.stages.pumps import RunningPump
from tests.stages.told import (
    ALL_TIME,
    AT,
    BOX,
    CANCELLED,
    FAILED,
    HELD,
    HOUR,
    PENDING,
    SUCCEEDED,
    again,
    article,
    deliver,
    endpoint,
    message,
    standing,
)
from tests.waiting import eventually

MANY = 12_000
# A third of the messages failed, a third was held, a third was never given; some arrived, some were scrubbed.
_MESSAGES = text("""
INSERT INTO message (id, time, type, article_id, sequence, body)
SELECT CAST(lpad(to_hex(CAST(extract(epoch FROM CAST(:at AS timestamptz)) * 1000 AS bigint)), 12, '0')
            || '7000' || '8' || lpad(to_hex(number), 15, '0') AS uuid),
       :at, 'article.published', gen_random_uuid(), 1, CASE WHEN number <= :alive THEN '{}'::bytea END
FROM generate_series(1, :count) AS number
""")
_DELIVERIES = text("""
INSERT INTO delivery (message_id, message_time, endpoint_id, article_id, sequence, shard, state, attempts)
SELECT id, time, :endpoint, article_id, 1, :shard,
       CASE number % 3 WHEN 0 THEN 'failed' WHEN 1 THEN 'held' END, number % 3
FROM (SELECT *, row_number() OVER (ORDER BY id) AS number FROM message WHERE time = :at) AS message
WHERE number % 3 <> 2
""")


def put_many(session: Session, endpoint_id: UUID, count: int = MANY, *, scrubbed: int = 0) -> None:
    """Put so many messages into the record, failed, held and missing in turn, and some more scrubbed."""
    at = {"at": AT}
    session.execute(_MESSAGES, {**at, "count": count + scrubbed, "alive": count})
    session.execute(_DELIVERIES, {**at, "endpoint": endpoint_id, "shard": shard_of(endpoint_id)})
    # Else PostgreSQL may take the tables to be as empty as tests before left them, and plan for that.
    session.execute(text("ANALYZE message, delivery"))


def go_on(session: Session) -> list[Fate]:
    """Do the next slice of what is owed; return what became of each replay."""
    obligations = owed(session, "replay")
    fates = store_replays(session, {one: one for one in obligations}) if obligations else {}
    settle(session, fates)
    session.expire_all()
    return [fates[one] for one in obligations]


def go_on_to_the_end(session: Session) -> int:
    """Do slices until no more is owed; return how many that were."""
    slices = 0
    while go_on(session):
        slices += 1
        assert slices < 100, "it never ends"
    return slices


def pending(session: Session, endpoint_id: UUID) -> Sequence[tuple[UUID, datetime]]:
    """Return the messages that are due to an endpoint, and when, by their ids."""
    rows = session.execute(
        select(DeliveryRow.message_id, DeliveryRow.next_attempt_at)
        .where(DeliveryRow.endpoint_id == endpoint_id, DeliveryRow.state == PENDING)
        .order_by(DeliveryRow.message_id)
    )
    return [(row.message_id, row.next_attempt_at) for row in rows]


def fail_all(session: Session, endpoint_id: UUID, *, attempted_at: datetime) -> None:
    """Let everything that is due to an endpoint be tried and fail for good."""
    waits = (DeliveryRow.endpoint_id == endpoint_id, DeliveryRow.state == PENDING)
    attempts = [
        {
            "delivery_id": delivery_id,
            "endpoint_id": endpoint_id,
            "number": 1,
            "trigger": "replay",
            "at": attempted_at,
            "url": "https://example.com/hook",
            "status": 503,
            "duration_ms": 1,
        }
        for delivery_id in session.scalars(select(DeliveryRow.id).where(*waits))
    ]
    session.execute(insert(AttemptRow), attempts)
    session.execute(update(DeliveryRow).where(*waits).values(state=FAILED, next_attempt_at=None))


def test_twelve_thousand_of_all_kinds_are_sent_again_once_each(
    subscribers: Making, monkeypatch: pytest.MonkeyPatch
) -> None:
    # That a replay keeps a rate has tests of its own.
    monkeypatch.setattr("publisher.notify.replaying.past.RATE_PER_S", 1_000_000.0)
    some = subscribers()
    mine, other = some.subscribe("/mine", max_in_flight=100), some.subscribe("/other")
    with some.sessions.begin() as session:
        put_many(session, mine, scrubbed=30)
        arrived = message(session, article(session))
        deliver(session, mine, arrived, SUCCEEDED, attempts=1)
        alive = MessageRow.body.is_not(None), MessageRow.id != arrived.id
        wanted = [message_name(one) for one in session.scalars(select(MessageRow.id).where(*alive))]

    with some.sessions.begin() as session:
        replayed = again(session, mine)
        first = Counter(standing(session, mine).values())
        slices = go_on_to_the_end(session)

    with RunningPump(some.sessions, BOX):
        eventually(lambda: some.receivers.count >= MANY, within_s=60)
        eventually(lambda: "pending" not in some.states())

    assert replayed == len(wanted) == MANY
    assert 0 < first["pending"] <= SLICE
    assert slices > 1
    assert Counter(wanted) == Counter(one.headers["webhook-id"] for one in some.receivers.received())
    assert {one.path for one in some.receivers.received()} == {"/mine"}
    with some.sessions() as session:
        assert Counter(standing(session, mine).values()) == {
            "succeeded": MANY + 1,
            # Scrubbed.
            "failed": 10,
            "held": 10,
        }
        assert standing(session, other) == {}


def test_a_slice_whose_process_dies_is_done_again_from_where_it_began(database: Sessions) -> None:
    with database.begin() as session:
        mine = endpoint(session)
        put_many(session, mine)
        replayed = again(session, mine)
    with database() as session:
        go_on(session)
        dying = len(pending(session, mine))
        session.rollback()

    with database.begin() as session:
        before = len(pending(session, mine))
        go_on_to_the_end(session)

        assert before < dying < replayed
        assert len(pending(session, mine)) == replayed
        assert len({due_at for _, due_at in pending(session, mine)}) == replayed


def test_the_same_slice_twice_at_once_sends_once(database: Sessions) -> None:
    with database.begin() as session:
        mine = endpoint(session)
        put_many(session, mine, SLICE * 2)
        again(session, mine)

    def do_the_same() -> None:
        with database.begin() as other:
            store_replays(other, {one: one for one in obligations})

    with ThreadPoolExecutor(1) as thread:
        with database.begin() as session:
            obligations = owed(session, "replay")
            store_replays(session, {one: one for one in obligations})
            first = pending(session, mine)
            other = thread.submit(do_the_same)
            until_somebody_waits(database)
        other.result()

    with database() as session:
        assert pending(session, mine) == first


def test_what_fan_out_gives_at_this_moment_is_given_once(database: Sessions) -> None:
    with database.begin() as session:
        mine = endpoint(session)
        told = message(session, article(session))

    def send_again() -> None:
        with database.begin() as other:
            again(other, mine)

    with ThreadPoolExecutor(1) as thread:
        with database.begin() as session:
            deliver(session, mine, told, PENDING)
            replaying = thread.submit(send_again)
            until_somebody_waits(database)
        replaying.result()

    with database() as session:
        assert pending(session, mine) == [(told.id, AT)]


def test_another_replay_meanwhile_sends_nothing_twice(session: Session) -> None:
    mine = endpoint(session)
    put_many(session, mine, SLICE * 3)
    everything = again(session, mine)

    left = again(session, mine)
    go_on(session)
    now = session.execute(select(func.now())).scalar_one()
    # The receiver is still ill: what the first has sent fails for good before the second comes to it.
    tried = len(pending(session, mine))
    fail_all(session, mine, attempted_at=now + timedelta(seconds=1))
    go_on_to_the_end(session)

    assert left == everything - SLICE
    assert tried + len(pending(session, mine)) == everything


def test_what_had_failed_before_another_replay_was_asked_for_is_sent_by_it(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("publisher.notify.replaying.replay.SLICE", 2)
    mine = endpoint(session)
    put_many(session, mine, 6)
    assert again(session, mine) == 6
    go_on_to_the_end(session)
    now = session.execute(select(func.now())).scalar_one()
    fail_all(session, mine, attempted_at=now - timedelta(seconds=1))

    replayed = again(session, mine)
    go_on_to_the_end(session)

    assert replayed == len(pending(session, mine)) == 6


def test_deliveries_come_due_one_after_the_other_the_oldest_message_first(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("publisher.notify.replaying.replay.SLICE", 4)
    mine = endpoint(session)
    put_many(session, mine, 18)

    again(session, mine)
    go_on_to_the_end(session)

    now = session.execute(select(func.now())).scalar_one()
    assert [due_at for _, due_at in pending(session, mine)] == [
        now + timedelta(seconds=number / RATE_PER_S) for number in range(18)
    ]


@pytest.mark.parametrize(
    ("of_endpoint", "wished", "kept"),
    [
        (None, None, RATE_PER_S),
        (None, 2.0, 2.0),
        (None, 1000.0, RATE_PER_S),
        (8.0, None, 4.0),
        (8.0, 2.0, 2.0),
        (8.0, 8.0, 4.0),
        (1000.0, None, 500.0),
    ],
)
def test_half_of_what_an_endpoint_takes_is_left_for_what_is_new(
    of_endpoint: float | None, wished: float | None, kept: float
) -> None:
    past = Past(window=ALL_TIME, rate_per_s=wished)

    assert past.pause_between(of_endpoint) == timedelta(seconds=1 / kept)


def test_a_slower_replay_is_spread_over_more_time(session: Session) -> None:
    mine = endpoint(session, rate_per_s=100)
    put_many(session, mine, 3)

    again(session, mine, rate_per_s=0.5)

    now = session.execute(select(func.now())).scalar_one()
    assert [due_at - now for _, due_at in pending(session, mine)] == [
        timedelta(seconds=0),
        timedelta(seconds=2),
        timedelta(seconds=4),
    ]


def test_a_slice_that_comes_late_begins_now(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("publisher.notify.replaying.replay.SLICE", 1)
    mine = endpoint(session)
    put_many(session, mine, 2)
    again(session, mine)
    (obligation,) = owed(session, "replay")
    long_ago = {**obligation.data, "due_at": AT.isoformat()}
    settle(session, {obligation: Postponed(data=long_ago)})

    go_on(session)

    assert pending(session, mine)[1][1] == session.execute(select(func.now())).scalar_one()


def test_what_is_published_after_the_request_is_none_of_it(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("publisher.notify.replaying.replay.SLICE", 1)
    mine = endpoint(session)
    put_many(session, mine, 2)
    now = session.execute(select(func.now())).scalar_one()
    assert again(session, mine, Window(since=AT, until=now + HOUR)) == 2
    later = message(session, article(session), time=now)

    go_on_to_the_end(session)

    assert len(pending(session, mine)) == 2
    assert later.id not in standing(session, mine)


def test_a_revision_gives_way_to_the_newest_of_a_later_slice(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("publisher.notify.replaying.replay.SLICE", 1)
    mine = endpoint(session)
    one, two = article(session), article(session)
    stopped = [message(session, one, sequence) for sequence in (1, 2)]
    for told in stopped:
        deliver(session, mine, told, HELD)
    failed, missing = (message(session, two, sequence) for sequence in (1, 2))
    deliver(session, mine, failed, FAILED)

    replayed = again(session, mine)
    go_on_to_the_end(session)

    assert replayed == 2
    assert standing(session, mine) == {
        stopped[0].id: CANCELLED,
        stopped[1].id: PENDING,
        failed.id: CANCELLED,
        missing.id: PENDING,
    }


@pytest.mark.parametrize(("end", "outcome"), [("disabled", "disabled"), ("deleted", "deleted")])
def test_it_ends_with_its_endpoint(
    session: Session, monkeypatch: pytest.MonkeyPatch, end: str, outcome: str
) -> None:
    monkeypatch.setattr("publisher.notify.replaying.replay.SLICE", 1)
    mine = endpoint(session)
    put_many(session, mine, 3)
    again(session, mine)
    if end == "disabled":
        disable(session, mine, "gone")
    else:
        remove(session, mine)

    fates = go_on(session)

    assert fates == [Done(outcome=outcome)]
    assert pending(session, mine) == []


def test_one_start_serves_one_endpoint(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("publisher.notify.replaying.replay.SLICE", 1)
    both = [endpoint(session), endpoint(session)]
    put_many(session, both[0], 3)
    for one in both:
        again(session, one, ALL_TIME, "missing")
    before = [len(pending(session, one)) for one in both]

    fates = go_on(session)

    assert fates[1] == Postponed()
    assert len(pending(session, both[1])) == before[1]
    go_on_to_the_end(session)
    assert [len(pending(session, one)) for one in both] == [1, 3]


def test_a_small_replay_owes_nothing_more(session: Session) -> None:
    mine = endpoint(session)
    put_many(session, mine, SLICE - 1)

    again(session, mine)

    assert len(pending(session, mine)) == SLICE - 1
    assert session.scalars(select(EventRow).where(EventRow.type == EventType.REPLAY_REQUESTED)).all() == []


def test_many_missing_are_no_fewer_where_an_endpoint_has_much(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("publisher.notify.replaying.replay.SLICE", 2)
    mine = endpoint(session)
    for _ in range(5):
        deliver(session, mine, message(session, article(session)), SUCCEEDED, attempts=1)
    missing = message(session, article(session))

    replayed = again(session, mine)
    go_on_to_the_end(session)

    assert replayed == 1
    assert [one for one, _ in pending(session, mine)] == [missing.id]


def test_deliveries_are_locked_in_the_order_of_their_ids(database: Sessions) -> None:
    with database.begin() as session:
        mine = endpoint(session)
        # The later message has the smaller id of a delivery.
        high, low = (deliver(session, mine, message(session, article(session)), FAILED) for _ in range(2))
        if low > high:
            session.execute(update(DeliveryRow).where(DeliveryRow.id == low).values(id=UUID(int=1)))
            low = UUID(int=1)

    assert locks_by_id(database, low, high, lambda session: again(session, mine))
