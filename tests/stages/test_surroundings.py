"""A PostgreSQL that is not as it should be: one line that says what to do, and nothing touched."""

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Connection, Engine, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError
from structlog.testing import capture_logs

from publisher.database import Sessions, connect
from publisher.errors import SettingsError
from publisher.migrations import newest_revision
from publisher.server_urls import for_libpq
from publisher.settings import Settings, load_settings
from tests.servers import postgres_in
from tests.stages.api_server import running_api
from tests.stages.command import Publisher, publisher_on
from tests.waiting import eventually
from workers.connections import Kind, engine_of
from workers.opening import open_database, prepare_database
from workers.surroundings import postgres as surroundings
from workers.surroundings.concern import clock_concern
from workers.surroundings.database_concerns import (
    LongTransactions,
    OpenTransaction,
    database_clock,
    long_transactions,
)

AT = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
_TABLES = "SELECT string_agg(tablename, ' ' ORDER BY tablename) FROM pg_tables WHERE schemaname = 'public'"
_FOREIGN_REVISION = (
    "CREATE TABLE alembic_version (version_num text); INSERT INTO alembic_version VALUES ('{}')"
)


@pytest.fixture
def publisher(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Publisher:
    """Runs a command."""
    return publisher_on(capsys, monkeypatch)


class Database:
    """A database of a test's own, besides that of its test process."""

    def __init__(self, url: str) -> None:
        self.settings = load_settings(database_url=url)

    def run(self, statements: str) -> None:
        """Run statements as its owner."""
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(statements)  # type: ignore[call-overload]  # the text is made up here

    def tell(self, query: str) -> object:
        """Return the only value that a query gives."""
        with psycopg.connect(self._url) as connection:
            row = connection.execute(query).fetchone()  # type: ignore[call-overload]  # likewise
        assert row is not None
        return row[0]

    @property
    def _url(self) -> str:
        return for_libpq(self.settings.require("database_url"))


@pytest.fixture
def make_database(engine: Engine) -> Iterator[Callable[[], Database]]:
    """Makes databases without anything in them."""
    made: list[str] = []
    admin = engine.connect().execution_options(isolation_level="AUTOCOMMIT")

    def make() -> Database:
        made.append(f"{engine.url.database}_other_{len(made)}")
        admin.execute(text(f'CREATE DATABASE "{made[-1]}" TEMPLATE template0'))
        return Database(make_url(engine.url).set(database=made[-1]).render_as_string(hide_password=False))

    yield make
    for name in made:
        admin.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))
    admin.close()


@pytest.fixture
def other(make_database: Callable[[], Database]) -> Database:
    """A database without anything in it."""
    return make_database()


def refusal(settings: Settings) -> str:
    """Return why no process opens this database."""
    with pytest.raises(SettingsError) as raised:
        open_database(settings, Kind.COMMAND)
    return str(raised.value)


def test_a_database_without_tables_asks_for_migrate(other: Database) -> None:
    expected = (
        "PUBLISHER_DATABASE_URL: the database is at migration none,"
        f" expected {newest_revision()}; run `publisher migrate`"
    )

    assert expected == refusal(other.settings)


@pytest.mark.parametrize(
    ("statements", "reason"),
    [
        ("CREATE TABLE article (id int)", "it has a table article, and no alembic_version of ours"),
        ("CREATE VIEW feed AS SELECT 1", "it has a table feed, and no alembic_version of ours"),
        (_FOREIGN_REVISION.format("1975ea83b712"), "its alembic_version is 1975ea83b712"),
        (_FOREIGN_REVISION.format("0002"), "its alembic_version is 0002"),
        (_FOREIGN_REVISION.format("9999"), "its alembic_version is 9999"),
    ],
)
def test_a_database_of_somebody_else_is_refused_and_left_alone(
    other: Database, statements: str, reason: str
) -> None:
    other.run(statements)
    before = other.tell(_TABLES)

    with pytest.raises(SettingsError) as raised:
        prepare_database(other.settings, Kind.MIGRATE)

    expected = (
        f"PUBLISHER_DATABASE_URL: the database is somebody else's ({reason});"
        " expected an empty one, or one of ours"
    )
    assert expected == str(raised.value) == refusal(other.settings)
    assert before == other.tell(_TABLES)


def test_tables_of_somebody_else_with_names_of_their_own_may_stay(other: Database) -> None:
    other.run("CREATE TABLE customer AS SELECT 1 AS id")

    prepare_database(other.settings, Kind.MIGRATE)

    open_database(other.settings, Kind.COMMAND).dispose()
    assert other.tell("SELECT count(*) FROM customer") == 1


def test_a_newer_schema_stops_who_starts_and_serves_who_runs(other: Database) -> None:
    prepare_database(other.settings, Kind.MIGRATE)
    url = other.settings.require("database_url")

    with running_api(url) as api, api.client() as client:
        other.run("UPDATE alembic_version SET version_num = '0999'")
        ready = client.get("/readyz")

    newer = (
        f"the database is at migration 0999, newer than {newest_revision()}, which this version knows;"
        " upgrade this program"
    )
    assert (ready.status_code, ready.json()["checks"]) == (200, {"database": "ok", "schema": newer})
    assert f"PUBLISHER_DATABASE_URL: {newer}" == refusal(other.settings)
    with pytest.raises(SettingsError, match="upgrade this program"):
        prepare_database(other.settings, Kind.MIGRATE)
    assert other.tell("SELECT version_num FROM alembic_version") == "0999"


def test_an_older_schema_is_not_ready(other: Database) -> None:
    prepare_database(other.settings, Kind.MIGRATE)
    other.run("UPDATE alembic_version SET version_num = '0001'")

    with running_api(other.settings.require("database_url")) as api, api.client() as client:
        ready = client.get("/readyz")

    assert ready.status_code == 503
    assert "run `publisher migrate`" in ready.json()["checks"]["schema"]
    assert "run `publisher migrate`" in refusal(other.settings)


def test_a_database_that_was_restored_in_part_is_refused(other: Database) -> None:
    prepare_database(other.settings, Kind.MIGRATE)
    other.run("DROP TABLE tombstone")

    assert refusal(other.settings).endswith("the database has no table tombstone; restore it whole")


@pytest.fixture
def stranger(engine: Engine) -> Iterator[str]:
    """A user of the server without any right."""
    name = f"stranger_{os.getpid()}"
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"CREATE ROLE {name} LOGIN PASSWORD 'pw'"))
        yield name
        connection.execute(text(f"DROP ROLE {name}"))


def test_a_user_without_rights_is_told_which(other: Database, stranger: str) -> None:
    prepare_database(other.settings, Kind.MIGRATE)
    url = make_url(other.settings.require("database_url")).set(username=stranger, password="pw")
    settings = load_settings(database_url=url.render_as_string(hide_password=False))

    without_any = refusal(settings)
    other.run(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {stranger}")
    reading_only = refusal(settings)
    other.run(f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {stranger}")

    assert without_any == (
        "PUBLISHER_DATABASE_URL: PostgreSQL refuses: permission denied for table alembic_version"
    )
    assert reading_only == (
        f"PUBLISHER_DATABASE_URL: user {stranger} may not read and write table api_key;"
        " expected the owner of the tables"
    )


@pytest.mark.parametrize(
    ("part", "value", "reason"),
    [
        ("password", "wrong", 'PostgreSQL refuses: password authentication failed for user "postgres"'),
        ("database", "nothing", 'PostgreSQL refuses: database "nothing" does not exist'),
        ("port", 1, "cannot be reached ("),
        ("query", {"sslmode": "require"}, "cannot be reached ("),
        ("query", {"colour": "red"}, 'cannot be reached (invalid connection option "colour")'),
    ],
)
def test_an_address_that_leads_nowhere_is_one_line(
    postgres_url: str, part: str, value: object, reason: str
) -> None:
    url = make_url(postgres_url).set(**{part: value})  # type: ignore[arg-type]  # a part each
    settings = load_settings(database_url=url.render_as_string(hide_password=False))

    for told in (refusal(settings), refusal_of_migrate(settings)):
        assert told.startswith(f"PUBLISHER_DATABASE_URL: {reason}")
        assert "\n" not in told


def refusal_of_migrate(settings: Settings) -> str:
    with pytest.raises(SettingsError) as raised:
        prepare_database(settings, Kind.MIGRATE)
    return str(raised.value)


def test_a_pooler_that_was_not_named_as_one_is_recognised() -> None:
    refused = psycopg.OperationalError(
        'connection failed: connection to server at "10.0.0.7", port 6432 failed: FATAL:'
        "  unsupported startup parameter: options"
    )

    assert surroundings.reason_of(DBAPIError("", None, refused)) == (
        "is a transaction pooler; expected the server's own address in PUBLISHER_LISTEN_URL as well"
    )


@pytest.mark.parametrize(
    ("answer", "remedy"),
    [
        ("FATAL:  sorry, too many clients already", "raise max_connections"),
        ("FATAL:  remaining connection slots are reserved for", "raise max_connections"),
        ("FATAL:  unsupported startup parameter: options", "set PUBLISHER_LISTEN_URL"),
        ('FATAL:  password authentication failed for user "x"', "correct PUBLISHER_DATABASE_URL"),
        ("Connection refused", "start it"),
    ],
)
def test_what_a_server_answers_tells_what_to_do(answer: str, remedy: str) -> None:
    refused = psycopg.OperationalError(f"connection failed: connection to server failed: {answer}")

    assert surroundings.remedy_of(DBAPIError("", None, refused)).startswith(remedy)


def test_a_server_that_is_too_old_is_refused(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surroundings, "OLDEST", (99,))

    assert refusal(load_settings(database_url=postgres_url)).endswith(", expected 99 or newer")


def test_a_read_only_database_is_refused(other: Database) -> None:
    prepare_database(other.settings, Kind.MIGRATE)
    name = make_url(other.settings.require("database_url")).database
    other.run(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')

    assert "is read-only (default_transaction_read_only)" in refusal(other.settings)


def test_a_standby_is_refused(tmp_path: Path) -> None:
    server = postgres_in(tmp_path, durable=False)
    try:
        prepare_database(load_settings(database_url=server.start()), Kind.MIGRATE)
        server.stop()
        signal_file = tmp_path / "postgres" / "data" / "standby.signal"
        signal_file.touch()

        url = server.start()

        assert refusal(load_settings(database_url=url)) == (
            "PUBLISHER_DATABASE_URL: is a standby, which is read-only; expected the primary server"
        )
    finally:
        server.stop()


def test_the_direct_address_has_to_lead_to_the_same_database(
    make_database: Callable[[], Database],
) -> None:
    one, other = make_database(), make_database()
    for database in (one, other):
        prepare_database(database.settings, Kind.MIGRATE)
    url = one.settings.database_url

    open_database(load_settings(database_url=url, listen_url=url), Kind.RELAY).dispose()
    with pytest.raises(SettingsError) as raised:
        open_database(load_settings(database_url=url, listen_url=other.settings.database_url), Kind.RELAY)

    assert str(raised.value) == (
        "PUBLISHER_LISTEN_URL: leads to another database than PUBLISHER_DATABASE_URL; expected the same one"
    )


def test_through_a_pooler_settings_hold_for_each_transaction_and_nothing_stays_behind(
    postgres_url: str,
) -> None:
    engine = connect(postgres_url, pool_size=1, lock_timeout_s=1.5, through_pooler=True)
    shown = text(
        "SELECT current_setting('lock_timeout'), current_setting('idle_in_transaction_session_timeout')"
    )

    with engine.connect() as connection:
        for _ in range(10):  # a statement is prepared once it has been run five times
            inside = connection.execute(shown).one()
            connection.commit()
        with connection.connection.cursor() as cursor:
            outside = cursor.execute(shown.text).fetchone()
            prepared = cursor.execute("SELECT count(*) FROM pg_prepared_statements").fetchone()
        connection.connection.rollback()

    engine.dispose()
    assert ("1500ms", "5s") == tuple(inside)
    assert ("0", "0") == outside
    assert (0,) == prepared


def test_without_a_pooler_settings_hold_for_the_session(postgres_url: str) -> None:
    engine = connect(postgres_url, lock_timeout_s=1.5)

    with engine.connect() as connection:
        shown = connection.execute(text("SELECT current_setting('lock_timeout')")).scalar_one()

    engine.dispose()
    assert shown == "1500ms"


def test_a_connection_tells_which_process_holds_it(postgres_url: str) -> None:
    engine = engine_of(load_settings(database_url=postgres_url), Kind.RELAY)

    with engine.connect() as connection:
        name = connection.execute(text("SELECT current_setting('application_name')")).scalar_one()

    engine.dispose()
    assert name == f"publisher relay {os.getpid()}"


@pytest.mark.parametrize(
    ("command", "setting", "value", "complaint"),
    [
        ("migrate", "PUBLISHER_LISTEN_URL", "postgresql://h/d", "is set, and PUBLISHER_DATABASE_URL is not"),
        ("relay", "PUBLISHER_REDIS_PREFIX", "a b", "expected at most 64 letters, digits"),
        ("status", "PUBLISHER_DATABASE_URL", "postgresql://h:port/d", "expected postgresql://user"),
    ],
)
def test_settings_that_make_no_sense_end_a_command_with_status_2(
    publisher: Publisher,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    setting: str,
    value: str,
    complaint: str,
) -> None:
    monkeypatch.setenv(setting, value)

    ended = publisher(command)

    assert ended.status == 2
    assert ended.complaint.startswith(f"{setting}: {complaint}")


@pytest.fixture
def reporter(engine: Engine) -> Iterator[Connection]:
    """A connection of another program."""
    others = create_engine(engine.url, connect_args={"application_name": "a report"})
    with others.connect() as connection:
        yield connection
    others.dispose()


def test_a_transaction_that_is_open_for_long_is_told_with_who_and_since_when(
    database: Sessions, reporter: Connection
) -> None:
    pid, since = reporter.execute(text("SELECT pg_backend_pid(), now()")).one()

    with database() as session:
        recent = long_transactions(session.connection(), longer_than=timedelta(minutes=1))
        session.rollback()
        (old,) = eventually(lambda: idle_ones(database))

    assert recent == []
    assert (old.who, old.name, old.since) == (str(pid), "a report", since)
    assert old.as_concern().found == (
        f"a report ({pid}, user postgres, idle in transaction) has had a transaction open since"
        f" {since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    )
    assert f"pg_terminate_backend({pid})" in old.as_concern().advice


def idle_ones(database: Sessions) -> list[OpenTransaction]:
    with database() as session:
        return [
            one
            for one in long_transactions(session.connection(), longer_than=timedelta(0))
            if one.state == "idle in transaction"
        ]


def test_a_long_transaction_is_looked_for_once_a_minute_and_told_once(
    database: Sessions, reporter: Connection
) -> None:
    looking = LongTransactions(longer_than=timedelta(0))

    with capture_logs() as logs:
        looking.look(database, now=100)
        reporter.execute(text("SELECT 1"))
        looking.look(database, now=159)
        too_early = len(logs)
        for now in (160, 220, 280):
            looking.look(database, now=now)

    assert too_early == 0
    assert [one["event"] for one in logs] == ["transaction.old"]


@pytest.mark.parametrize(
    ("theirs", "found"),
    [
        (AT, None),
        (AT + timedelta(seconds=3), None),  # asking took two seconds, and may have taken them all
        (AT - timedelta(seconds=1), None),
        (AT + timedelta(seconds=3.5), "the clock of Redis is 1.5 s ahead of this machine's"),
        (AT - timedelta(seconds=90), "the clock of Redis is 90.0 s behind this machine's"),
    ],
)
def test_a_clock_that_differs_by_more_than_a_second_is_a_concern(theirs: datetime, found: str | None) -> None:
    concern = clock_concern("Redis", theirs, asked=AT, answered=AT + timedelta(seconds=2))

    assert (concern and concern.found) == found


def test_the_clock_of_this_machine_agrees_with_itself(database: Sessions) -> None:
    with database() as session:
        assert database_clock(session.connection()) is None
