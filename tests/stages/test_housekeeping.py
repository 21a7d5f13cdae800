"""Housekeeping: it is owed once, comes due again by itself, and does what it says."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, insert, select, text, update
from sqlalchemy.orm import Session

from publisher.access import create_key
from publisher.database import Sessions
from publisher.housekeeping import begin_housekeeping, keep_house
from publisher.outbox.obligation import Postponed
from publisher.partitions import prepare_partitions
from publisher.prune.retention import Retention
from publisher.schema import EventRow, EventTaskRow, IdempotencyRow
from tests.stages.articles import owed

FOR_EVER = Retention.days(0, 0)


def partition_of(session: Session, table: str) -> list[str]:
    rows = session.execute(text(f"SELECT DISTINCT tableoid::regclass::text FROM {table}"))
    return [row[0] for row in rows]


def test_it_is_owed_once_however_often_it_is_begun(session: Session) -> None:
    begin_housekeeping(session)
    begin_housekeeping(session)

    assert len(owed(session, "housekeeping")) == 1


def test_two_that_begin_it_at_once_owe_it_once(database: Sessions) -> None:
    def begin(_: int) -> None:
        with database.begin() as session:
            begin_housekeeping(session)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(begin, range(8)))

    with database() as session:
        assert len(owed(session, "housekeeping")) == 1


def test_it_comes_due_again_in_an_hour(session: Session) -> None:
    begin_housekeeping(session)
    (obligation,) = owed(session, "housekeeping")
    prepare_partitions(session.connection(), at=datetime.now(UTC))

    fates = keep_house(session, {obligation: obligation}, retention=FOR_EVER)

    now = session.scalar(select(func.now()))
    assert now is not None
    walked = {"walked_at": now.isoformat()}
    assert fates == {obligation: Postponed(at=now + timedelta(hours=1), data=walked)}


def test_rows_of_a_day_with_a_partition_go_there(session: Session) -> None:
    day = datetime.now(UTC) + timedelta(days=3)
    prepare_partitions(session.connection(), at=day, days=0)
    begin_housekeeping(session)
    session.execute(update(EventRow).values(time=day))

    assert partition_of(session, "event") == [f"event_{day:%Y%m%d}"]


def test_a_day_that_began_without_a_partition_stays_in_the_default_one(session: Session) -> None:
    begin_housekeeping(session)

    made = prepare_partitions(session.connection(), at=datetime.now(UTC), days=0)

    assert not [name for name in made if name.startswith("event_")]
    assert partition_of(session, "event") == ["event_default"]


def test_partitions_that_are_there_are_left_alone(session: Session) -> None:
    at = datetime(2031, 5, 5, tzinfo=UTC)
    assert len(prepare_partitions(session.connection(), at=at, days=1)) == 8

    assert prepare_partitions(session.connection(), at=at, days=1) == []


def test_answers_are_forgotten_after_a_day(session: Session) -> None:
    key, _ = create_key(session, name="tests", scopes=["admin"])
    row = {"request_digest": b"", "status": 200, "headers": {}, "encrypted_body": b""}
    for name, age in (("old", 25), ("new", 23)):
        kept = insert(IdempotencyRow).values(api_key_id=key.id, key=name, **row)
        session.execute(kept.values(created_at=func.now() - timedelta(hours=age)))
    begin_housekeeping(session)
    (obligation,) = owed(session, "housekeeping")
    prepare_partitions(session.connection(), at=datetime.now(UTC))

    keep_house(session, {obligation: obligation}, retention=FOR_EVER)

    assert session.scalars(select(IdempotencyRow.key)).all() == ["new"]
    assert session.scalar(select(func.count()).select_from(EventTaskRow)) == 1


def test_partitions_are_made_in_a_start_of_their_own(session: Session) -> None:
    begin_housekeeping(session)
    (obligation,) = owed(session, "housekeeping")

    fates = keep_house(session, {obligation: obligation}, retention=FOR_EVER)

    assert fates == {obligation: Postponed()}


def test_a_long_dump_puts_it_off_and_is_no_failure(database: Sessions) -> None:
    with database.begin() as session:
        begin_housekeeping(session)

    with database() as dumping, database.begin() as session:
        dumping.execute(text("LOCK TABLE event_default IN ACCESS SHARE MODE"))
        (obligation,) = owed(session, "housekeeping")
        fate = keep_house(session, {obligation: obligation}, retention=FOR_EVER)[obligation]

    assert isinstance(fate, Postponed)
    assert fate.at is not None
