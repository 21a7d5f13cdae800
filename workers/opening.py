"""Open PostgreSQL and Redis, having seen that they are what this version can work with."""

import os
import time
from collections.abc import Mapping
from contextlib import suppress

import structlog
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from publisher.database import sessions
from publisher.errors import SettingsError
from publisher.housekeeping import begin_housekeeping
from publisher.migrations import migrate
from publisher.settings import Settings
from workers.connections import Kind, direct_engine_of, engine_of
from workers.pipeline import app
from workers.surroundings.concern import warn_of
from workers.surroundings.crowding import crowd
from workers.surroundings.database_concerns import database_clock, long_transactions
from workers.surroundings.postgres import reaching, refuse_another_database, refuse_schema, refuse_server
from workers.surroundings.redis import RedisAway, connect_to_redis, refuse_redis
from workers.surroundings.redis_concerns import eviction, read_only, redis_clock

_LOOK_AGAIN_S = 1.0
_LISTENERS = (Kind.WEB, Kind.RELAY, Kind.SENDER)
log = structlog.get_logger("publisher.surroundings")


def open_database(settings: Settings, kind: Kind) -> Engine:
    """Return an engine on a database that is reachable and has this version's tables.

    Raises:
        SettingsError: when it is not.
    """
    engine = engine_of(settings, kind)
    try:
        with reaching(), engine.connect() as connection:
            refuse_server(connection)
            refuse_schema(connection)
        if kind in _LISTENERS:
            _refuse_elsewhere(settings)
    except SettingsError:
        engine.dispose()
        raise
    return engine


def warn_of_database(engine: Engine, settings: Settings, joining: Mapping[Kind, int]) -> None:
    """Log what about the database is not as it should be; nothing of it stops a process.

    Args:
        joining: the processes that this one is about to be, by kind.
    """
    with suppress(DBAPIError), engine.connect() as connection:
        clock = database_clock(connection)
        # Through a pooler, its own limits decide, and it hides who is who.
        room = None if settings.goes_through_pooler else crowd(connection, joining=joining, pid=os.getpid())
        open_for_long = [one.as_concern() for one in long_transactions(connection)]
        crowded = room.as_concern() if room else None
        warn_of(one for one in (clock, crowded, *open_for_long) if one is not None)


def prepare_database(settings: Settings, kind: Kind) -> None:
    """Bring the database to the schema of this version, unless it is somebody else's or a newer version's.

    Raises:
        SettingsError: when it cannot be reached or changed, or is not ours; then nothing was touched.
    """
    engine = direct_engine_of(settings, kind)
    try:
        with reaching(_direct_setting(settings)):
            with engine.connect() as connection:
                refuse_server(connection)
            _refuse_elsewhere(settings)
            migrate(engine)
            with sessions(engine, app.routes).begin() as session:
                begin_housekeeping(session)
    finally:
        engine.dispose()


def check_redis(settings: Settings) -> None:
    """See that there is a Redis to work with, and log what about it is not as it should be.

    Raises:
        SettingsError: when it is none, refuses us, or somebody else uses our keys.
        RedisAway: when it cannot be reached.
    """
    with connect_to_redis(settings, patience_s=3) as redis:
        refuse_redis(redis, settings.redis_prefix)
        with suppress(RedisError):
            _warn_of_redis(redis)


def check_redis_or_warn(settings: Settings) -> None:
    """Do the same for a process that has something to do while Redis is away.

    Raises:
        SettingsError: when it is none, refuses us, or somebody else uses our keys.
    """
    try:
        check_redis(settings)
    except RedisAway as away:
        log.warning("redis.unreachable", error=str(away))


def wait_for_redis(settings: Settings) -> None:
    """Do the same for a process that has nothing to do without Redis: return once it answers.

    Raises:
        SettingsError: when it is none, refuses us, or somebody else uses our keys.
    """
    told = False
    while True:
        try:
            check_redis(settings)
        except RedisAway as away:
            if not told:
                log.warning("redis.unreachable", error=str(away))
            told = True
            time.sleep(_LOOK_AGAIN_S)
        else:
            return


def _warn_of_redis(redis: Redis) -> None:
    warn_of(one for one in (redis_clock(redis), eviction(redis), read_only(redis)) if one is not None)


def _direct_setting(settings: Settings) -> str:
    return "LISTEN_URL" if settings.goes_through_pooler else "DATABASE_URL"


def _refuse_elsewhere(settings: Settings) -> None:
    """See that both addresses of the database lead to the same, if there are two."""
    if not settings.goes_through_pooler:
        return
    pooled, direct = engine_of(settings, Kind.LISTEN), direct_engine_of(settings, Kind.LISTEN)
    try:
        with reaching(), pooled.connect() as one, reaching("LISTEN_URL"), direct.connect() as other:
            refuse_another_database(one, other)
    finally:
        pooled.dispose()
        direct.dispose()
