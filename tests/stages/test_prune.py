"""Pruning: what is old goes, what is unfinished stays, and nobody who works meanwhile waits for it."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, func, insert, select, text, update
from sqlalchemy.orm import Session
from structlog.testing import capture_logs

from publisher.briefly import LOCK_TIMEOUT
from publisher.database import Sessions
from publisher.events import EventType
from publisher.housekeeping import begin_housekeeping, keep_house
from publisher.ids import new_id
from publisher.notify.fan_out.happened import load_happened
from publisher.notify.fan_out.stage import prepare, store_deliveries
from publisher.notify.outcome import DeliveryState
from publisher.outbox.emit import emit
from publisher.outbox.obligation import Postponed
from publisher.outbox.watch import replay
from publisher.partitions import Partition, partitions, prepare_partitions
from publisher.prune import days, rows, slices
from publisher.prune.forecast import forecast
from publisher.prune.parts import START, Place
from publisher.prune.retention import Retention
from publisher.prune.slices import Slice, prune_all, prune_slice
from publisher.publish import store_publications
from publisher.retract import retract
from publisher.schema import (
    AttemptRow,
    DeliveryRow,
    EndpointRow,
    EventRow,
    EventTaskRow,
    MessageRow,
    StepRow,
    TombstoneRow,
)
from tests.receivers import Receivers
from tests.stages.articles import ARCHIVE, owed, published, recorded, run, run_enrich
from tests.stages.pumps import RunningPump
from tests.stages.slow_deletes import slow_to_delete
from tests.stages.subscribers import BOX, Subscribers
from tests.waiting import eventually

NOW = datetime.now(UTC)
OLD = NOW - timedelta(days=45)
ANCIENT = NOW - timedelta(days=400)
RETENTION = Retention.days(30, 365)


@pytest.fixture(autouse=True)
def partitions_of_old_days(database: Sessions) -> Iterator[None]:
    """The partitions that these days had when they came; what is left of them goes."""
    with database.begin() as session:
        for day in (OLD, NOW - timedelta(days=2)):
            prepare_partitions(session.connection(), at=day, days=0)
    yield
    with database.begin() as session:
        session.execute(text("SET LOCAL lock_timeout = '10s'"))
        for one in partitions(session.connection()):
            session.execute(text(f"DROP TABLE {one.name}"))


def pruned(database: Sessions, *, at: datetime = NOW, retention: Retention = RETENTION) -> list[Slice]:
    """Prune until nothing is left to do; return what was done."""
    done: list[Slice] = []
    place: Place | None = START
    while place is not None:
        with database.begin() as session:
            one = prune_slice(session, retention.old(at=at), place)
        done.append(one)
        place = one.place
        assert len(done) < 1_000
    return done


def kept(database: Sessions, row: type[Any]) -> int:
    with database() as session:
        return session.scalar(select(func.count()).select_from(row)) or 0


def days_of(database: Sessions, table: str) -> list[str]:
    with database() as session:
        return [one.name for one in partitions(session.connection()) if one.table == table]


def happened(session: Session, at: datetime) -> UUID:
    """Write an event, its step, its message and an attempt to deliver it, all of one instant."""
    identifier = new_id()
    article = {"article_id": identifier, "sequence": 1}
    session.execute(
        insert(EventRow).values(
            id=identifier, time=at, type=EventType.ARTICLE_PUBLISHED, subject=identifier, data={"sequence": 1}
        )
    )
    session.execute(
        insert(StepRow).values(
            event_id=identifier, task="fan_out", ended_at=at, type=EventType.ARTICLE_PUBLISHED,
            subject=identifier, queued_at=at, started_at=at, outcome="fanned_out",
        )
    )  # fmt: skip
    session.execute(
        insert(MessageRow).values(
            id=identifier, time=at, type=EventType.ARTICLE_PUBLISHED, body=b"{}", **article
        )
    )
    session.execute(
        insert(AttemptRow).values(
            at=at, delivery_id=identifier, endpoint_id=identifier, number=1, trigger="auto", url="https://a",
            status=204, duration_ms=1,
        )
    )  # fmt: skip
    return identifier


def delivered(session: Session, reader: UUID, message: UUID, at: datetime, **columns: object) -> None:
    """Write a delivery of a message."""
    values = {
        "state": DeliveryState.SUCCEEDED,
        "attempts": 1,
        "article_id": message,
        "sequence": 1,
        **columns,
    }
    session.execute(
        insert(DeliveryRow).values(message_id=message, message_time=at, endpoint_id=reader, shard=1, **values)
    )


def test_old_days_are_dropped_whole_and_newer_ones_stay(database: Sessions) -> None:
    with database.begin() as session:
        for at in (OLD, NOW - timedelta(days=2)):
            happened(session, at)

    pruned(database)

    for table, row in (
        ("event", EventRow),
        ("step", StepRow),
        ("message", MessageRow),
        ("attempt", AttemptRow),
    ):
        assert days_of(database, table) == [f"{table}_{NOW - timedelta(days=2):%Y%m%d}"]
        assert kept(database, row) == 1


def test_a_day_is_old_when_its_last_instant_is(database: Sessions) -> None:
    day = Partition(table="event", day=OLD.date())
    at = day.ends_at + timedelta(days=30)

    pruned(database, at=at - timedelta(seconds=1))
    before = days_of(database, "event")
    pruned(database, at=at)

    assert day.name in before
    assert day.name not in days_of(database, "event")


def test_what_never_had_a_partition_of_its_day_goes_row_by_row(database: Sessions) -> None:
    with database.begin() as session:
        for at in (NOW - timedelta(days=60), NOW - timedelta(days=1)):
            happened(session, at)

    done = pruned(database)

    assert {(one.what, one.rows) for one in done if one.what.endswith("_default")} == {
        (f"{table}_default", 1) for table in ("attempt", "event", "message", "step")
    }
    assert kept(database, EventRow) == kept(database, MessageRow) == 1


def test_a_day_whose_table_was_taken_out_only_is_dropped_the_next_time(database: Sessions) -> None:
    with database.begin() as session:
        session.execute(text(f"ALTER TABLE event DETACH PARTITION event_{OLD:%Y%m%d}"))

    done = pruned(database)

    assert [one.what for one in done].count(f"event_{OLD:%Y%m%d}") == 1
    assert f"event_{OLD:%Y%m%d}" not in days_of(database, "event")


@pytest.mark.parametrize("state", [DeliveryState.PENDING, DeliveryState.HELD])
@pytest.mark.parametrize(
    "at", [OLD, NOW - timedelta(days=60)], ids=["in its partition", "in the default one"]
)
def test_a_message_stays_as_long_as_somebody_is_to_get_it(
    database: Sessions, state: DeliveryState, at: datetime
) -> None:
    reader = Subscribers(database).subscribe()
    with database.begin() as session:
        wanted, finished = happened(session, at), happened(session, at)
        delivered(session, reader, wanted, at, state=state, attempts=0)
        delivered(session, reader, finished, at)

    pruned(database)
    with database() as session:
        assert session.scalars(select(MessageRow.id)).all() == [wanted]
    with database.begin() as session:
        session.execute(update(DeliveryRow).values(state=DeliveryState.SUCCEEDED))
    pruned(database)

    assert kept(database, MessageRow) == 0


def test_a_message_that_is_replayed_in_the_last_moment_stays(
    database: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = Subscribers(database).subscribe()
    with database.begin() as session:
        delivered(session, reader, happened(session, OLD), OLD, state=DeliveryState.HELD)
    # When prune looks first, nobody is to get it yet.
    looks: list[bool] = []
    really_owed = days.is_owed

    def is_owed(connection: Connection, day: Partition) -> bool:
        looks.append(day.table == "message")
        return sum(looks) == 2 and really_owed(connection, day)

    monkeypatch.setattr(days, "is_owed", is_owed)

    (hindered,) = [one for one in pruned(database) if one.hindered]

    assert hindered.what == f"message_{OLD:%Y%m%d}"
    assert "is owed to somebody again" in hindered.hindered
    assert kept(database, MessageRow) == 1


def test_who_was_sent_what_is_kept_longer_than_what_was_sent(database: Sessions) -> None:
    reader = Subscribers(database).subscribe()
    with database.begin() as session:
        for at in (OLD, ANCIENT):
            delivered(session, reader, happened(session, at), at)

    pruned(database)

    with database() as session:
        assert session.scalars(select(DeliveryRow.message_time)).all() == [OLD]


@pytest.mark.parametrize("state", [DeliveryState.PENDING, DeliveryState.HELD])
def test_an_unfinished_delivery_is_never_too_old(database: Sessions, state: DeliveryState) -> None:
    reader = Subscribers(database).subscribe()
    with database.begin() as session:
        delivered(session, reader, new_id(), ANCIENT, state=state)

    pruned(database)

    assert kept(database, DeliveryRow) == 1


def test_many_deliveries_are_walked_through_once(database: Sessions) -> None:
    with database.begin() as session:
        session.execute(
            text(
                "INSERT INTO delivery (message_id, message_time, endpoint_id, shard, state)"
                " SELECT gen_random_uuid(), :at, gen_random_uuid(), 1, 'succeeded'"
                " FROM generate_series(1, 20000)"
            ),
            {"at": ANCIENT},
        )

    done = [one for one in pruned(database) if one.what == "delivery"]

    assert sum(one.rows or 0 for one in done) == 20_000
    assert kept(database, DeliveryRow) == 0


@pytest.fixture
def a_page_a_slice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time is up after each statement, and a statement reads a page."""
    monkeypatch.setattr(slices, "LONGEST_S", 0.0)
    monkeypatch.setattr(rows, "FEWEST_PAGES", 1)
    monkeypatch.setattr(rows, "MOST_PAGES", 1)


def many_messages(session: Session, at: datetime, *, owed_to: UUID | None = None) -> None:
    """Write sixty messages of an instant, which fill some pages."""
    values = {"time": at, "type": EventType.ARTICLE_PUBLISHED, "body": bytes(900), "sequence": 1}
    messages = [new_id() for _ in range(60)]
    session.execute(insert(MessageRow), [{"id": one, **values} for one in messages])
    if owed_to is not None:
        for one in messages:
            delivered(session, owed_to, one, at, state=DeliveryState.HELD, attempts=0)


@pytest.mark.usefixtures("a_page_a_slice")
@pytest.mark.parametrize(
    ("at", "part"),
    [(OLD, f"message_{OLD:%Y%m%d}"), (NOW - timedelta(days=60), "message_default")],
    ids=["a day of which something is owed", "the default partition"],
)
def test_a_slice_ends_in_time_and_the_next_one_goes_on_where_it_stopped(
    database: Sessions, at: datetime, part: str
) -> None:
    reader = Subscribers(database).subscribe()
    with database.begin() as session:
        many_messages(session, at)
        delivered(session, reader, happened(session, at), at, state=DeliveryState.HELD)
        many_messages(session, at)
        pages = rows.pages_of(session.connection(), part)

    done = [one for one in pruned(database) if one.what == part]

    assert pages > 10
    assert [one.place for one in done[:-1]] == [Place(part=part, page=page) for page in range(1, pages)]
    assert sum(one.rows or 0 for one in done) == 120
    assert all((one.rows or 0) < 20 for one in done)
    assert kept(database, MessageRow) == 1


@pytest.mark.usefixtures("a_page_a_slice")
def test_what_is_owed_takes_no_slice_longer_than_another(database: Sessions) -> None:
    reader = Subscribers(database).subscribe()
    with database.begin() as session:
        many_messages(session, OLD, owed_to=reader)
        pages = rows.pages_of(session.connection(), f"message_{OLD:%Y%m%d}")

    done = [one for one in pruned(database) if one.what == f"message_{OLD:%Y%m%d}"]

    assert (len(done), sum(one.rows or 0 for one in done)) == (pages, 0)


def test_what_would_go_is_what_goes(database: Sessions) -> None:
    reader = Subscribers(database).subscribe()
    with database.begin() as session:
        for at in (OLD, NOW - timedelta(days=60), ANCIENT, NOW):
            for state in (DeliveryState.HELD, DeliveryState.SUCCEEDED):
                delivered(session, reader, happened(session, at), at, state=state)
        retract(session, published(session), reason=None)
        session.execute(update(TombstoneRow).values(retracted_at=NOW - timedelta(days=91)))
    with database() as session:
        coming = forecast(session.connection(), RETENTION.old(at=NOW))

    done = pruned(database)

    assert {one.what for one in done if one.rows is None} == set(coming.days)
    assert {one.what: one.rows for one in done if one.rows} == coming.rows
    assert len(coming.rows) == 7


def test_old_tombstones_go(database: Sessions) -> None:
    with database.begin() as session:
        articles = [published(session, url=f"https://news.example/{number}") for number in range(2)]
        for article in articles:
            retract(session, article, reason=None)
        session.execute(
            update(TombstoneRow)
            .where(TombstoneRow.article_id == articles[0])
            .values(retracted_at=NOW - timedelta(days=91))
        )

    pruned(database)

    with database() as session:
        assert session.scalars(select(TombstoneRow.article_id)).all() == [articles[1]]


def test_a_retention_for_ever_prunes_nothing(database: Sessions) -> None:
    reader = Subscribers(database).subscribe()
    with database.begin() as session:
        for at in (OLD, ANCIENT):
            delivered(session, reader, happened(session, at), at)

    done = pruned(database, retention=Retention.days(0, 0))

    assert sum(one.rows or 0 for one in done) == 0
    assert (kept(database, EventRow), kept(database, DeliveryRow)) == (2, 2)


def fan_out_everything(session: Session) -> list[str]:
    """Run every fan-out that is owed; return the outcomes."""
    load = partial(load_happened, archive=ARCHIVE)
    fates = run(session, "fan_out", load, prepare, store_deliveries)
    return [getattr(fate, "outcome", "postponed") for fate in fates.values()]


def age(session: Session, days: int) -> None:
    """Make everything that is recorded so many days older; the partitions stay where they are."""
    span = timedelta(days=days)
    session.execute(update(EventRow).values(time=EventRow.time - span))
    session.execute(update(MessageRow).values(time=MessageRow.time - span))
    session.execute(update(DeliveryRow).values(message_time=DeliveryRow.message_time - span))
    session.execute(update(EventTaskRow).values(due_at=EventTaskRow.due_at - span))


def test_a_takedown_reaches_who_was_sent_the_article_long_ago(database: Sessions) -> None:
    reader = Subscribers(database).subscribe()
    with database.begin() as session:
        article = published(session)
        fan_out_everything(session)
        session.execute(update(DeliveryRow).values(state=DeliveryState.SUCCEEDED, attempts=1))
        age(session, 200)
    pruned(database)
    assert kept(database, MessageRow) == 0

    with database.begin() as session:
        retract(session, article, reason="Sai")
        fan_out_everything(session)

    with database() as session:
        chosen = select(DeliveryRow.endpoint_id).where(DeliveryRow.state == DeliveryState.PENDING)
        assert session.scalars(chosen).all() == [reader]


def test_an_embargo_that_is_longer_than_the_retention_is_kept(database: Sessions) -> None:
    with database.begin() as session:
        recorded(session, visible_from=datetime.now(UTC) + timedelta(days=1))
        run_enrich(session)
        age(session, 60)
    pruned(database)
    assert kept(database, EventRow) == 0

    with database() as session:
        later = update(EventTaskRow).values(due_at=func.now())
        session.execute(later)
        obligations = owed(session, "publish")
        fates = store_publications(session, {one: one for one in obligations})

    assert [type(fate) for fate in fates.values()] == [Postponed]


def test_a_stuck_step_is_kept_and_can_be_replayed(database: Sessions) -> None:
    Subscribers(database).subscribe()
    with database.begin() as session:
        session.execute(update(EndpointRow).values(created_at=NOW - timedelta(days=300)))
        published(session)
        session.execute(update(EventTaskRow).values(stuck=True, failures=6))
        age(session, 60)
    pruned(database)
    assert kept(database, EventRow) == 0

    with database.begin() as session:
        assert replay(session, None) == 2
        outcomes = fan_out_everything(session)

    assert outcomes == ["fanned_out"]
    assert kept(database, DeliveryRow) == 1


def test_a_stuck_notice_of_an_article_that_was_retracted_meanwhile_stays_unsaid(database: Sessions) -> None:
    Subscribers(database).subscribe()
    with database.begin() as session:
        article = published(session)
        session.execute(update(EventTaskRow).values(stuck=True, failures=6))
        retract(session, article, reason=None)
        age(session, 60)
    pruned(database)
    assert kept(database, EventRow) == 0

    with database.begin() as session:
        replay(session, None)
        outcomes = fan_out_everything(session)

    assert sorted(outcomes) == ["fanned_out", "superseded"]
    assert kept(database, DeliveryRow) == 0


@contextmanager
def busy(database: Sessions) -> Iterator[list[float]]:
    """Write events and read them all the time; yield how long each transaction took, in seconds."""
    took: list[float] = []
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            began = time.monotonic()
            with database.begin() as session:
                emit(session, EventType.ARTICLE_RECEIVED, new_id(), {"sequence": 1})
                session.execute(select(EventRow.type).order_by(EventRow.time.desc()).limit(1)).all()
            took.append(time.monotonic() - began)

    workers = [threading.Thread(target=work) for _ in range(2)]
    for one in workers:
        one.start()
    try:
        eventually(lambda: len(took) > 10)
        yield took
    finally:
        over.set()
        for one in workers:
            one.join()


def test_nobody_waits_for_a_partition_that_a_long_reader_keeps(database: Sessions) -> None:
    with database.begin() as session:
        happened(session, OLD)
    reader = database()
    reader.execute(select(func.count()).select_from(EventRow))

    with busy(database) as took:
        hindered: list[Slice] = []
        while len(hindered) < 3:
            with database.begin() as session:
                done = prune_slice(session, RETENTION.old(at=NOW), START, only=[f"event_{OLD:%Y%m%d}"])
                # The transaction goes on.
                session.execute(select(func.count()).select_from(StepRow))
            hindered += [done] if done.hindered else []
        waited = max(took)
        reader.rollback()
        reader.close()
        pruned(database)

    assert {one.what for one in hindered} == {f"event_{OLD:%Y%m%d}"}
    # Behind the longest try, and then with some others at once on a busy machine.
    assert waited < LOCK_TIMEOUT.total_seconds() + 1.0
    assert f"event_{OLD:%Y%m%d}" not in days_of(database, "event")


_WAITS = text("""
SELECT max(clock_timestamp() - waitstart) FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE NOT granted AND datname = current_database() AND pid <> ALL(CAST(:pruning AS int[]))
""")


@contextmanager
def sending(database: Sessions) -> Iterator[Subscribers]:
    """Send one message after the other, all the time."""
    over = threading.Event()
    with capture_logs(), Receivers() as receivers, RunningPump(database, BOX):
        some = Subscribers(database, lambda path, host: receivers.url(path, host=host))
        reader = some.subscribe()

        def work() -> None:
            while not over.is_set():
                before = receivers.count
                some.tell(reader)
                eventually(lambda before=before: receivers.count > before)

        worker = threading.Thread(target=work)
        worker.start()
        try:
            eventually(lambda: kept(database, AttemptRow) > 2)
            yield some
        finally:
            over.set()
            worker.join()


@contextmanager
def longest_wait(database: Sessions, pruning: list[int]) -> Iterator[list[timedelta]]:
    """Look all the time how long sessions wait for a lock, but for those that prune; yield what was seen."""
    seen: list[timedelta] = []
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            with database() as session:
                waited = session.scalar(_WAITS, {"pruning": pruning})
            if waited is not None:
                seen.append(waited)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield seen
    finally:
        over.set()
        looking.join()


@pytest.mark.parametrize("table", ["message", "attempt"])
def test_no_sender_waits_for_a_partition_that_a_long_reader_keeps(database: Sessions, table: str) -> None:
    day, pids = f"{table}_{OLD:%Y%m%d}", list[int]()
    with database() as reading:
        reading.execute(text(f"SELECT FROM {day}"))

        with sending(database) as some, longest_wait(database, pids) as waits:
            tries = 0
            while tries < 3 or not waits:
                with database.begin() as session:
                    pids.append(session.execute(text("SELECT pg_backend_pid()")).scalar_one())
                    done = prune_slice(session, RETENTION.old(at=NOW), START, only=[day])
                pids.clear()
                assert done.hindered
                tries += 1
            # What waited behind a try is sent and recorded.
            before = kept(database, AttemptRow)
            eventually(lambda: kept(database, AttemptRow) > before)

        assert max(waits) < timedelta(seconds=1)
        assert some.states().keys() <= {DeliveryState.PENDING, DeliveryState.SUCCEEDED}
    pruned(database)
    assert day not in days_of(database, table)


def test_a_day_that_somebody_keeps_does_not_keep_the_days_behind_it(database: Sessions) -> None:
    first, second = f"event_{OLD:%Y%m%d}", f"event_{OLD + timedelta(days=1):%Y%m%d}"
    reader = Subscribers(database).subscribe()
    with database.begin() as session:
        prepare_partitions(session.connection(), at=OLD + timedelta(days=1), days=0)
        delivered(session, reader, new_id(), ANCIENT)

    with database() as reading:
        reading.execute(text(f"SELECT FROM {first}"))
        done = pruned(database)

    assert [one.what for one in done if one.hindered] == [first]
    assert days_of(database, "event")[:2] == [first, f"event_{NOW - timedelta(days=2):%Y%m%d}"]
    assert second in [one.what for one in done]
    assert kept(database, DeliveryRow) == 0


def test_a_table_that_somebody_locks_does_not_keep_what_comes_behind_it(database: Sessions) -> None:
    reader = Subscribers(database).subscribe()
    with database.begin() as session:
        delivered(session, reader, new_id(), ANCIENT)

    with database() as holder:
        holder.execute(text("LOCK TABLE tombstone"))
        done = pruned(database)

    assert [one.what for one in done if one.hindered] == ["tombstone"]
    assert kept(database, DeliveryRow) == 0


def test_a_statement_that_takes_too_long_is_given_up(database: Sessions) -> None:
    with database.begin() as session:
        happened(session, NOW - timedelta(days=60))

    began = time.monotonic()
    with slow_to_delete(database, "step_default"):
        done = pruned(database)
    took = time.monotonic() - began

    (hindered,) = [one for one in done if one.hindered]
    assert (hindered.what, hindered.slow) == ("step_default", True)
    assert "statement timeout" in hindered.hindered
    assert took < 15
    assert (kept(database, StepRow), kept(database, MessageRow)) == (1, 0)


def pages_of_deliveries(database: Sessions, pages: int) -> UUID:
    """Fill pages with old deliveries, and return the message of the first; a page takes less than 100."""
    with database.begin() as session:
        session.execute(
            text(
                "INSERT INTO delivery (message_id, message_time, endpoint_id, shard, state)"
                " SELECT gen_random_uuid(), :at, gen_random_uuid(), 1, 'succeeded'"
                " FROM generate_series(1, 100 * :pages)"
            ),
            {"at": ANCIENT, "pages": pages},
        )
        assert rows.pages_of(session.connection(), "delivery") > pages
        return session.execute(text("SELECT message_id FROM delivery WHERE ctid = '(0,1)'")).scalar_one()


def test_a_page_that_takes_too_long_keeps_no_other_page(
    database: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "FEWEST_PAGES", 4)
    message = pages_of_deliveries(database, 20)

    with slow_to_delete(database, "delivery", row=f"OLD.message_id = '{message}'"):
        done = [one for one in pruned(database) if one.what == "delivery"]

    # The pages at once are halved; then the first is left, and the pass goes on behind it.
    assert [one.place for one in done[:3]] == [
        Place(part="delivery", page=0, step=2),
        Place(part="delivery", page=0, step=1),
        Place(part="delivery", page=1, step=1),
    ]
    assert [one.hindered.partition(":")[0] for one in done if one.hindered] == ["page 0 of delivery"]
    with database() as session:
        left = session.execute(text("SELECT DISTINCT ctid::text FROM delivery")).scalars().all()
    assert left
    assert all(one.startswith("(0,") for one in left)


def test_a_page_that_takes_too_long_is_left_at_once(database: Sessions) -> None:
    with database.begin() as session:
        happened(session, NOW - timedelta(days=60))
    waits: list[None] = []

    with slow_to_delete(database, "step_default"):
        done = list(prune_all(database, RETENTION.old(at=NOW), wait=lambda: waits.append(None)))

    assert [one.what for one in done if one.hindered] == ["step_default"]
    assert len(waits) == 1


def test_pruning_that_gets_on_is_not_ended_by_meetings_with_others(
    database: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slices, "MOST_TRIES", 3)
    meetings = 0

    # Somebody else prunes after each slice, until it is waited for.
    with database() as housekeeping:
        for done in prune_all(database, RETENTION.old(at=NOW), wait=housekeeping.rollback):
            assert not done.hindered
            prune_slice(housekeeping, RETENTION.old(at=NOW), START, only=[])
            meetings += 1

    assert meetings > 3
    assert days_of(database, "step") == [f"step_{NOW - timedelta(days=2):%Y%m%d}"]


def test_pruning_that_others_end_tells_of_what_was_hindered_before(
    database: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slices, "MOST_TRIES", 3)
    first = f"event_{OLD:%Y%m%d}"

    with database() as reading, database() as housekeeping:
        reading.execute(text(f"SELECT FROM {first}"))
        begin = partial(prune_slice, housekeeping, RETENTION.old(at=NOW), START, only=[])
        done = list(prune_all(database, RETENTION.old(at=NOW), wait=begin))

    assert [one.what for one in done if one.hindered] == [slices.EVERYTHING, first]


def test_housekeeping_goes_on_behind_what_is_hindered_and_comes_back_soon(database: Sessions) -> None:
    with database.begin() as session:
        begin_housekeeping(session)
    pauses: list[timedelta] = []

    with database() as reading:
        reading.execute(text(f"SELECT FROM event_{OLD:%Y%m%d}"))
        fate = Postponed()
        while fate.data is None or "walked_at" not in fate.data or "part" in fate.data:
            with database.begin() as session:
                now = session.execute(select(func.now())).scalar_one()
                (one,) = owed(session, "housekeeping")
                fate = keep_house(session, {one: one}, retention=RETENTION)[one]  # type: ignore[assignment]
                if fate.data is not None:
                    session.execute(update(EventTaskRow).values(data=dict(fate.data)))
                pauses += [fate.at - now] if fate.at else []

    assert pauses == [timedelta(seconds=1), timedelta(seconds=30)]
    assert f"event_{OLD:%Y%m%d}" in days_of(database, "event")
    assert f"step_{OLD:%Y%m%d}" not in days_of(database, "step")


def test_housekeeping_knows_in_the_next_slice_how_many_pages_were_too_many(database: Sessions) -> None:
    message = pages_of_deliveries(database, 1)
    with database.begin() as session:
        begin_housekeeping(session)
        prepare_partitions(session.connection(), at=NOW)
    walk = {"walked_at": None, "rests": False, "hindered": False, "part": "delivery", "page": 0, "step": 2}
    known: list[dict[str, Any]] = [walk]

    with slow_to_delete(database, "delivery", row=f"OLD.message_id = '{message}'"):
        for _ in range(2):
            with database.begin() as session:
                session.execute(update(EventTaskRow).values(data=known[-1]))
                (one,) = owed(session, "housekeeping")
                fate = keep_house(session, {one: one}, retention=RETENTION)[one]
                assert isinstance(fate, Postponed)
                known.append(dict(fate.data or {}))

    assert known == [walk, {**walk, "step": 1}, {**walk, "step": 1, "page": 1, "hindered": True}]


def test_a_delivery_that_somebody_holds_is_left_for_the_next_time(database: Sessions) -> None:
    reader = Subscribers(database).subscribe()
    with database.begin() as session:
        for _ in range(2):
            delivered(session, reader, new_id(), ANCIENT)
    with database() as holder:
        holder.execute(select(DeliveryRow.id).limit(1).with_for_update())

        pruned(database)

        assert kept(database, DeliveryRow) == 1
        holder.rollback()
    pruned(database)
    assert kept(database, DeliveryRow) == 0


def test_two_that_prune_at_once_take_turns(database: Sessions) -> None:
    with database.begin() as first, database.begin() as second:
        prune_slice(first, RETENTION.old(at=NOW), START)

        done = prune_slice(second, RETENTION.old(at=NOW), START)

        assert done.hindered == "somebody else prunes at this moment"


def test_housekeeping_prunes_a_slice_a_start_until_nothing_is_left(database: Sessions) -> None:
    reader = Subscribers(database).subscribe()
    with database.begin() as session:
        delivered(session, reader, happened(session, ANCIENT), ANCIENT)
        begin_housekeeping(session)
    starts = 0

    while True:
        starts += 1
        with database.begin() as session:
            (one,) = owed(session, "housekeeping")
            fate = keep_house(session, {one: one}, retention=RETENTION)[one]
            assert isinstance(fate, Postponed)
            if fate.data is not None:
                session.execute(update(EventTaskRow).values(data=dict(fate.data)))
        if fate.at is not None:
            break

    assert 5 < starts < 30
    assert (kept(database, MessageRow), kept(database, DeliveryRow)) == (0, 0)
    assert days_of(database, "event")[0] == f"event_{NOW - timedelta(days=2):%Y%m%d}"
    assert fate.data is not None
    assert set(fate.data) == {"walked_at"}
