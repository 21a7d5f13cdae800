"""What is in the way, and what is the fault of what was asked: told apart by what the database says."""

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from publisher.database import Sessions
from publisher.hindrance import Hindrance, hindrance_of


def error_of(database: Sessions, condition: str) -> Exception:
    """Return the error of a statement that PostgreSQL refuses for this reason."""
    with database() as session, pytest.raises(DBAPIError) as raised:
        session.execute(text(f"DO $$ BEGIN RAISE 'x' USING ERRCODE = '{condition}'; END $$"))
    return raised.value


@pytest.mark.parametrize(
    ("condition", "hindrance"),
    [
        ("disk_full", Hindrance.REFUSES_WRITES),
        ("read_only_sql_transaction", Hindrance.REFUSES_WRITES),
        ("deadlock_detected", Hindrance.HELD_UP),
        ("serialization_failure", Hindrance.HELD_UP),
        ("lock_not_available", Hindrance.HELD_UP),
        ("query_canceled", Hindrance.HELD_UP),
        ("out_of_memory", Hindrance.HELD_UP),
        ("io_error", Hindrance.HELD_UP),
        ("admin_shutdown", Hindrance.AWAY),
        ("protocol_violation", Hindrance.AWAY),
        ("not_null_violation", None),
        ("unique_violation", None),
        ("character_not_in_repertoire", None),
        ("program_limit_exceeded", None),
    ],
)
def test_what_the_database_refuses_is_told_apart(
    database: Sessions, condition: str, hindrance: Hindrance | None
) -> None:
    assert hindrance_of(error_of(database, condition)) == hindrance


def test_a_server_that_does_not_answer_is_away() -> None:
    engine = create_engine("postgresql+psycopg://nobody@127.0.0.1:1/nothing")

    with pytest.raises(DBAPIError) as raised:
        engine.connect()

    assert hindrance_of(raised.value) == Hindrance.AWAY


def test_a_connection_that_is_ended_is_away(database: Sessions) -> None:
    with database() as session, pytest.raises(DBAPIError) as raised:
        session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    assert hindrance_of(raised.value) == Hindrance.AWAY


def test_a_pool_without_a_free_connection_is_away(postgres_url: str) -> None:
    engine = create_engine(postgres_url, pool_size=1, max_overflow=0, pool_timeout=0.01)

    with engine.connect(), pytest.raises(Exception, match="QueuePool limit") as raised:
        engine.connect()
    engine.dispose()

    assert hindrance_of(raised.value) == Hindrance.AWAY


def test_a_value_that_python_cannot_hold_is_the_fault_of_the_row(database: Sessions) -> None:
    with database() as session, pytest.raises(DBAPIError) as raised:
        session.execute(text("SELECT timestamptz 'infinity'")).all()

    assert hindrance_of(raised.value) is None


@pytest.mark.parametrize("error", [KeyError("authors"), MemoryError()])
def test_what_is_no_error_of_the_database_is_no_hindrance(error: Exception) -> None:
    assert hindrance_of(error) is None
