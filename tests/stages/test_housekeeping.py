"""Housekeeping: it is owed once, comes due again by itself, and does what it says."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, insert, select, text, update
from sqlalchemy.orm import Session

from publisher.access import create_key
from publisher.database import Sessions
from publisher.housekeeping import begin_housekeeping, keep_house
from publisher.ids import new_id
from publisher.outbox.obligation import Postponed
from publisher.partitions import prepare_partitions
from publisher.prune.retention import Retention
from publisher.schema import (
    DeliveryRow,
    EndpointRow,
    EventRow,
    EventTaskRow,
    IdempotencyRow,
    LabelRow,
    TopicRow,
)
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


def test_subscriptions_that_ran_out_are_ended_slice_by_slice(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("publisher.notify.websub.ending.SLICE", 2)
    monkeypatch.setattr("publisher.housekeeping.SUBSCRIPTIONS", 2)
    label = session.scalars(select(LabelRow.id)).one()
    topic = {"id": new_id(), "label_id": label, "format": "atom", "url": "/", "body": b"old"}
    session.execute(insert(TopicRow).values(topic))
    endpoint = {"topic_id": topic["id"], "filter": {}, "filter_hash": b"", "shard": 0}
    for number, days in enumerate((-2, -2, -2, -0.5, 1)):
        ends_at = func.now() + timedelta(days=days)
        made = {"id": new_id(), "url": f"/{number}", "created_at": func.now(), "expires_at": ends_at}
        session.execute(insert(EndpointRow).values(endpoint | made))
    begin_housekeeping(session)
    (obligation,) = owed(session, "housekeeping")
    prepare_partitions(session.connection(), at=datetime.now(UTC))

    first = keep_house(session, {obligation: obligation}, retention=FOR_EVER)
    second = keep_house(session, {obligation: obligation}, retention=FOR_EVER)

    assert first == {obligation: Postponed()} != second
    assert session.scalars(select(EndpointRow.url).order_by(EndpointRow.url)).all() == ["/3", "/4"]
    assert session.scalars(select(TopicRow.body)).all() == [None]


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


def with_old_deliveries(session: Session) -> str:
    """Begin it where a day and a delivery are old; return an instant of an hour ago."""
    now = session.execute(select(func.now())).scalar_one()
    prepare_partitions(session.connection(), at=now)
    prepare_partitions(session.connection(), at=now - timedelta(days=45), days=0)
    values = {"shard": 1, "state": "succeeded", "message_time": now - timedelta(days=400)}
    session.execute(insert(DeliveryRow).values(message_id=new_id(), endpoint_id=new_id(), **values))
    begin_housekeeping(session)
    return str((now - timedelta(hours=1)).isoformat())


def kept_on(session: Session, data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Do a slice with this data; return that of the next one."""
    session.execute(update(EventTaskRow).values(data=dict(data)))
    (obligation,) = owed(session, "housekeeping")
    fate = keep_house(session, {obligation: obligation}, retention=Retention.days(30, 365))[obligation]
    assert isinstance(fate, Postponed)
    assert fate.data is not None
    return fate.data


def a_day_later(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what it would be if the last walk had been a day before."""
    walked_at = datetime.fromisoformat(data["walked_at"]) - timedelta(days=1)
    return {**data, "walked_at": walked_at.isoformat()}


def test_a_pass_that_began_without_the_walk_ends_without_it(session: Session) -> None:
    data = a_day_later(kept_on(session, {"walked_at": with_old_deliveries(session)}))
    walked_at = data["walked_at"]

    while "part" in data:
        data = kept_on(session, data)

    assert data == {"walked_at": walked_at}
    assert session.scalar(select(func.count()).select_from(DeliveryRow)) == 1
    # The next one walks through all.
    while "part" in (data := kept_on(session, data)):
        pass
    assert data["walked_at"] > walked_at
    assert session.scalar(select(func.count()).select_from(DeliveryRow)) == 0


@pytest.mark.parametrize("age", [timedelta(), timedelta(days=1)], ids=["resting", "perhaps a walk"])
def test_a_pass_that_an_older_release_began_is_no_walk(session: Session, age: timedelta) -> None:
    walked_at = datetime.fromisoformat(with_old_deliveries(session)) - age
    older = {"walked_at": walked_at.isoformat(), "hindered": False, "part": "tombstone", "page": 0}

    data = kept_on(session, older)

    assert data == {"walked_at": walked_at.isoformat()}
