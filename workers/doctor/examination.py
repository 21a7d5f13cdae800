"""All checks, in an order in which one explains the next; what does not answer takes only its own along."""

from collections.abc import Callable, Iterator
from datetime import datetime

from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.orm import Session

from publisher.database import sessions
from publisher.errors import SettingsError
from publisher.settings import Settings
from workers.connections import Kind, engine_of
from workers.doctor.finding import Finding, Level, problem
from workers.doctor.machine import check_disks, check_names, check_versions
from workers.doctor.postgres import (
    check_clock,
    check_connections,
    check_server,
    check_transactions,
)
from workers.doctor.redis import check_redis
from workers.doctor.secrets import check_secret_key
from workers.doctor.tables import check_cleaning, check_days, check_schema, check_size
from workers.doctor.work import check_pauses, check_processes, check_stages, check_workers
from workers.overview import overview
from workers.pipeline import app
from workers.surroundings.postgres import reason_of, remedy_of

Examiner = Callable[[], Settings]


def examine(settings_of: Examiner, *, at: datetime) -> Iterator[Finding]:
    """Yield what every check finds, as far as it gets.

    Args:
        settings_of: returns the settings, or raises what is wrong with them.
    """
    yield from check_versions()
    try:
        settings = settings_of()
    except SettingsError as error:
        yield problem("settings", str(error), "correct it: docs/settings.md tells what is expected")
        return
    yield from check_names()
    yield from check_disks(settings)
    if settings.database_url is not None:
        yield from _database(settings, at)
    if settings.redis_url is not None:
        found = list(check_redis(settings))
        yield from found
        if all(one.level is not Level.PROBLEM for one in found):
            yield from check_workers(settings)


def _database(settings: Settings, at: datetime) -> Iterator[Finding]:
    engine = engine_of(settings, Kind.COMMAND)
    try:
        with sessions(engine, app.routes)() as session:
            yield from _record(session, settings, at)
    except DBAPIError as error:
        yield problem("postgresql", reason_of(error), remedy_of(error))
    except SQLAlchemyError as error:
        yield problem("postgresql", str(error).partition("\n")[0], "look again")
    finally:
        engine.dispose()


def _record(session: Session, settings: Settings, at: datetime) -> Iterator[Finding]:
    connection = session.connection()
    server = list(check_server(connection))
    yield from server
    schema = list(check_schema(connection))
    yield from schema
    yield from check_size(connection)
    yield from check_connections(connection, settings)
    yield from check_clock(connection)
    yield from check_transactions(connection)
    if any(one.level is Level.PROBLEM for one in (*server, *schema)):
        return
    yield from check_cleaning(connection)
    yield from check_days(connection, at=at)
    yield from check_secret_key(session, settings)
    shown = overview(session)
    yield from check_processes(shown, settings)
    yield from check_stages(shown)
    yield from check_pauses(shown)
