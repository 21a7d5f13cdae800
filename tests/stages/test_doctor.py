"""`publisher doctor`: what it finds on a real database and Redis, and how far it gets without them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from redis import Redis
from sqlalchemy import text, update

from publisher.database import Sessions
from publisher.events import EventType
from publisher.ids import new_id
from publisher.notify.secrets.box import SecretBox
from publisher.notify.shards.leases import beat
from publisher.outbox.emit import emit
from publisher.partitions import prepare_partitions
from publisher.pauses import Stage, pause
from publisher.schema import EventTaskRow
from publisher.server_urls import for_libpq
from tests.stages.command import Publisher
from tests.stages.subscribers import Subscribers
from workers.doctor.finding import Level
from workers.doctor.machine import room
from workers.surroundings.database_concerns import long_transactions

KEY = "a key that only tests use"
Found = dict[str, list[dict[str, Any]]]
Doctor = Callable[[], tuple[int, Found]]
NOWHERE = "127.0.0.1:1"


@pytest.fixture
def publisher(publisher: Publisher, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Publisher:
    """Runs a command on the test's servers, in an empty folder."""
    monkeypatch.setenv("PUBLISHER_REDIS_URL", redis_url)
    monkeypatch.setenv("PUBLISHER_SECRET_KEY", KEY)
    # Nobody waits for the answers of workers that there are not.
    monkeypatch.setattr("workers.doctor.work._PING_S", 0.1)
    return publisher


@pytest.fixture
def doctor(publisher: Publisher) -> Doctor:
    """Returns how it ended, and the findings of each check."""

    def run() -> tuple[int, Found]:
        ended = publisher("doctor", "--json")
        found: Found = {}
        for one in ended.json:
            found.setdefault(one["name"], []).append(one)
        return ended.status, found

    return run


def level(found: Found, name: str) -> str:
    """Return how bad the only finding of a check is."""
    (one,) = found[name]
    assert bool(one["action"]) == (one["level"] != Level.OK)
    return str(one["level"])


def test_without_processes_it_says_which_are_missing(doctor: Doctor) -> None:
    status, found = doctor()

    assert status == 1
    assert {name for name, some in found.items() if some[0]["level"] == Level.PROBLEM} == {
        "relay",
        "sender",
        "worker",
    }
    assert level(found, "postgresql") == level(found, "schema") == level(found, "redis") == Level.OK


def test_a_relay_and_a_sender_that_live_are_seen(
    doctor: Doctor, database: Sessions, postgres_url: str
) -> None:
    with database.begin() as session:
        beat(session, new_id(), in_flight=0, busy=(), started=0.0)
    url = for_libpq(postgres_url)
    with psycopg.connect(url, application_name="publisher relay 4711"):
        _, found = doctor()

    assert level(found, "relay") == level(found, "sender") == Level.OK
    assert "all 64 shards" in found["sender"][0]["found"]


def test_behind_a_pooler_the_ear_of_a_sender_is_no_relay(
    doctor: Doctor, database: Sessions, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = for_libpq(postgres_url)
    monkeypatch.setenv("PUBLISHER_LISTEN_URL", url)
    with database.begin() as session:
        beat(session, new_id(), in_flight=0, busy=(), started=0.0)
    with psycopg.connect(url, application_name="publisher listen 4711"):
        _, without = doctor()
        with psycopg.connect(url, application_name="publisher listen 4712"):
            _, found = doctor()

    assert level(without, "relay") == Level.PROBLEM
    assert level(found, "relay") == Level.OK


def test_stuck_work_is_a_problem_and_late_work_a_warning(doctor: Doctor, database: Sessions) -> None:
    with database.begin() as session:
        emit(session, EventType.ARTICLE_PUBLISHED, new_id(), {"sequence": 1})
        for task, values in (("feeds", {"stuck": True}), ("fan_out", {"due_at": minutes_ago(2)})):
            session.execute(update(EventTaskRow).where(EventTaskRow.task == task).values(**values))

    _, found = doctor()

    assert level(found, "stuck") == Level.PROBLEM
    assert "1 at feeds" in found["stuck"][0]["found"]
    assert level(found, "backlog") == Level.WARNING
    assert found["backlog"][0]["found"].startswith("fan_out: 1 wait, 0 in flight, the oldest for 12")


def test_what_is_paused_is_reminded_of_and_not_called_late(doctor: Doctor, database: Sessions) -> None:
    with database.begin() as session:
        pause(session, Stage.ENRICH, reason="new models")
        emit(session, EventType.ARTICLE_RECEIVED, new_id(), {"sequence": 1})
        session.execute(update(EventTaskRow).values(due_at=minutes_ago(30)))

    _, found = doctor()

    assert level(found, "paused") == Level.WARNING
    assert found["paused"][0]["found"].endswith(": new models")
    assert level(found, "backlog") == Level.OK


def test_a_key_that_opens_no_secret_is_a_problem(
    doctor: Doctor, database: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    Subscribers(database).subscribe()
    _, right = doctor()
    monkeypatch.setenv("PUBLISHER_SECRET_KEY", "another key than that one")
    _, wrong = doctor()
    monkeypatch.delenv("PUBLISHER_SECRET_KEY")
    _, none = doctor()

    levels = [level(found, "secret key") for found in (right, wrong, none)]
    assert levels == [Level.OK, Level.PROBLEM, Level.WARNING]


def test_secrets_that_need_an_old_key_are_counted(
    doctor: Doctor, publisher: Publisher, database: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    Subscribers(database).subscribe()
    monkeypatch.setenv("PUBLISHER_SECRET_KEY", "the key that comes after it")
    monkeypatch.setenv("PUBLISHER_OLD_SECRET_KEYS", KEY)
    _, before = doctor()
    publisher("secret", "reencrypt")
    _, after = doctor()

    assert [level(found, "secret key") for found in (before, after)] == [Level.WARNING, Level.OK]
    assert before["secret key"][0]["found"].startswith("1 of 1 stored secrets need one of PUBLISHER_OLD")
    assert before["secret key"][0]["action"] == "`publisher secret reencrypt`"


def test_secrets_that_no_key_opens_are_named(doctor: Doctor, database: Sessions) -> None:
    Subscribers(database).subscribe()
    lost = Subscribers(database, box=SecretBox("a key that nobody has any more")).subscribe()

    _, found = doctor()

    assert level(found, "secret key") == Level.WARNING
    assert str(lost) in found["secret key"][0]["found"]


def test_a_transaction_that_stays_open_is_named(
    doctor: Doctor, database: Sessions, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.doctor.postgres.long_transactions", long_from_the_start)
    url = for_libpq(postgres_url)
    with psycopg.connect(url, application_name="a report") as connection:
        connection.execute("SELECT 1")
        _, found = doctor()

    assert any("a report" in one["found"] for one in found["transactions"])
    assert "pg_terminate_backend" in found["transactions"][0]["action"]


def test_days_without_their_partitions_are_named(doctor: Doctor, database: Sessions) -> None:
    _, without = doctor()
    with database.begin() as session:
        made = prepare_partitions(session.connection(), at=datetime.now(UTC), days=2)
    _, found = doctor()
    with database.begin() as session:
        for name in made:
            session.execute(text(f"DROP TABLE {name}"))

    assert level(without, "partitions") == Level.WARNING
    assert level(found, "partitions") == Level.OK


def test_a_redis_that_may_drop_messages_is_warned_of(doctor: Doctor, redis_url: str) -> None:
    with Redis.from_url(redis_url) as redis:
        before = redis.config_get("maxmemory-policy")["maxmemory-policy"]
        redis.config_set("maxmemory-policy", "allkeys-lru")
        try:
            _, found = doctor()
        finally:
            redis.config_set("maxmemory-policy", before)

    assert level(found, "redis policy") == Level.WARNING
    assert "noeviction" in found["redis policy"][0]["action"]


def test_a_redis_that_refuses_writes_is_warned_of(doctor: Doctor, redis_url: str) -> None:
    with Redis.from_url(redis_url) as redis:
        redis.config_set("maxmemory", 1)
        try:
            _, found = doctor()
        finally:
            redis.config_set("maxmemory", 0)

    assert level(found, "redis memory") == Level.WARNING
    assert level(found, "worker") == Level.WARNING
    assert "maxmemory" in found["worker"][0]["found"]


@pytest.mark.parametrize(
    ("name", "url", "checked"),
    [
        ("PUBLISHER_DATABASE_URL", f"postgresql://{NOWHERE}/none", "redis"),
        ("PUBLISHER_REDIS_URL", f"redis://{NOWHERE}/0", "postgresql"),
    ],
)
def test_a_server_that_is_away_is_a_problem_and_the_rest_is_looked_at(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch, name: str, url: str, checked: str
) -> None:
    monkeypatch.setenv(name, url)

    status, found = doctor()

    away = {"redis": "postgresql", "postgresql": "redis"}[checked]
    assert status == 1
    assert (level(found, away), level(found, checked)) == (Level.PROBLEM, Level.OK)


def test_settings_that_make_no_sense_are_a_problem(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBLISHER_FEED_LENGTH", "many")

    status, found = doctor()

    assert status == 1
    assert "PUBLISHER_FEED_LENGTH" in found["settings"][0]["found"]


def test_a_name_that_is_no_setting_is_warned_of(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBLISHER_FEED_LENGHT", "50")

    _, found = doctor()

    assert level(found, "settings") == Level.WARNING
    assert "PUBLISHER_FEED_LENGHT" in found["settings"][0]["found"]


def test_people_get_a_line_a_finding_with_what_to_do(publisher: Publisher) -> None:
    lines = publisher("doctor").out.splitlines()

    assert [line for line in lines if line.startswith("problem  relay")] == [
        "problem  relay              none is connected; start `publisher relay`, or see its log"
    ]
    assert all(line.split()[0] in ("ok", "warning", "problem") for line in lines)


@pytest.mark.parametrize(
    ("free", "expected"),
    [(100_000_000, Level.PROBLEM), (1_000_000_000, Level.WARNING), (50_000_000_000, Level.OK)],
)
def test_a_disk_is_judged_by_the_room_that_is_left(free: int, expected: Level) -> None:
    assert room("disk", Path("/data"), free).level is expected


def minutes_ago(minutes: int) -> datetime:
    return datetime.now(UTC) - timedelta(minutes=minutes)


def long_from_the_start(connection: Any) -> Any:
    """Find transactions that have just begun, too."""
    from_the_start = timedelta(0)
    return long_transactions(connection, longer_than=from_the_start)
