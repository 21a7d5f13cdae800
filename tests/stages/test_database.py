"""Connections to PostgreSQL: what of them is tried before it is used.

Guards: a connection that rested is asked whether it still stands (`connect`), so that who comes after a
restart of the server notices nothing; one that was used a moment ago is asked nothing.
"""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError

import publisher.database
from publisher.database import connect

NAME = "publisher tests of connections"
A_MINUTE = 60.0


@pytest.fixture
def engine(postgres_url: str) -> Iterator[Engine]:
    engine = connect(postgres_url, pool_size=2, application_name=NAME)
    yield engine
    engine.dispose()


def test_a_connection_that_rested_is_replaced_where_the_server_ended_it(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher.database, "_RESTED_S", 0.0)
    first = _backend(engine)
    _end(engine, first)

    assert _backend(engine) != first


def test_one_that_was_just_used_fails_once_and_takes_the_others_along(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher.database, "_RESTED_S", A_MINUTE)
    with engine.connect() as one, engine.connect() as other:
        backends = {_ask(one), _ask(other)}
    for backend in backends:
        _end(engine, backend)

    with pytest.raises(OperationalError):
        _backend(engine)

    assert _backend(engine) not in backends


def test_nothing_is_asked_of_one_that_was_just_used(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher.database, "_RESTED_S", A_MINUTE)
    _backend(engine)
    monkeypatch.setattr(engine.dialect, "do_ping", pytest.fail)

    _backend(engine)


def _backend(engine: Engine) -> int:
    with engine.begin() as connection:
        return _ask(connection)


def _ask(connection: Connection) -> int:
    return connection.execute(text("SELECT pg_backend_pid()")).scalar_one()


def _end(engine: Engine, backend: int) -> None:
    """End a backend from elsewhere, and wait until it is gone."""
    elsewhere = connect(engine.url.render_as_string(hide_password=False), application_name=NAME)
    with elsewhere.begin() as connection:
        assert connection.scalar(text("SELECT pg_terminate_backend(:backend, 5000)"), {"backend": backend})
    elsewhere.dispose()
