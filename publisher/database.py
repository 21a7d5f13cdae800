"""The way to PostgreSQL: engines, sessions, and the wake-up call at the end of a transaction."""

import math
import os
import time
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from publisher.events import Routes

Sessions = sessionmaker[Session]

# A stopped process must not hold others up: its locks and its transaction end without it.
_IN_TRANSACTIONS = {"idle_in_transaction_session_timeout": "5s", "timezone": "UTC"}
_KEEPALIVES = {"tcp_keepalives_idle": "10", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3"}
_CONNECTING = {"connect_timeout": 5, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}
_RESTED_S = 0.5
_RESTS_SINCE = "rests since"
_ROUTES = "routes"
_WAKING = "waking"


class Channel(StrEnum):
    """What LISTEN hears: there is new work in a table, or which feeds have changed."""

    OUTBOX = "outbox"
    DELIVERIES = "deliveries"
    FEEDS = "feeds"


_WAKE_LOCKS = {Channel.OUTBOX: 0x0B0C5, Channel.DELIVERIES: 0xDE117}
_WAKE = text("SELECT pg_notify(:channel, '') WHERE pg_try_advisory_xact_lock(:lock)")


def connect(
    url: str,
    *,
    pool_size: int = 5,
    application_name: str = "publisher",
    lock_timeout_s: float = 4,
    through_pooler: bool = False,
    waits_for_disk: bool = True,
) -> Engine:
    """Return an engine whose sessions cannot hold others up for long.

    Args:
        url: `postgresql+psycopg://…`.
        pool_size: connections at most; one more waits.
        application_name: what the server shows of us, followed by the number of this process.
        lock_timeout_s: how long a statement waits for a lock that somebody else holds.
        through_pooler: whether each transaction may run on another connection of the server: then nothing is
            left behind on one, neither settings nor prepared statements.
        waits_for_disk: whether a commit is safe from a crash of the server when it returns; else the newest
            ones may be forgotten by it, never one without those after it.
    """
    settings = {**_IN_TRANSACTIONS, "lock_timeout": f"{lock_timeout_s}s"}
    if not waits_for_disk:
        settings["synchronous_commit"] = "off"
    name = f"{application_name} {os.getpid()}"
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=10,
        # Errors are logged, and parameters are the bodies of articles.
        hide_parameters=True,
        connect_args={"application_name": name, **_CONNECTING, **_told(settings, pooled=through_pooler)},
    )
    if through_pooler:
        _set_in_each_transaction(engine, settings)
    event.listen(engine, "after_cursor_execute", _start_the_clock)
    _ping_what_rested(engine)
    return engine


def _ping_what_rested(engine: Engine) -> None:
    # The pool's own ping asks before every transaction: an eighth of an article's way to its webhook. What
    # was used a moment ago is asked nothing: after a restart of the server, those that begin just then fail.
    @event.listens_for(engine, "checkin")
    def rest(_: DBAPIConnection | None, record: ConnectionPoolEntry) -> None:
        record.info[_RESTS_SINCE] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def ping(connection: DBAPIConnection, record: ConnectionPoolEntry, _: PoolProxiedConnection) -> None:
        if time.monotonic() - record.info.get(_RESTS_SINCE, math.inf) < _RESTED_S:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            raise DisconnectionError from error


def _start_the_clock(_c: Connection, cursor: Any, _s: str, _p: Any, _x: Any, executemany: bool) -> None:
    # After a pipeline, psycopg may send one message more than it has to, and PostgreSQL's clock for sessions
    # that idle in a transaction stands still until the next statement: a process that sleeps would hold its
    # locks for ever.
    if executemany:
        cursor.connection.execute("")


def _told(settings: dict[str, str], *, pooled: bool) -> dict[str, Any]:
    """Return what a connection is told when it is made."""
    if pooled:
        # Poolers refuse `options`, and hand out connections on which others' statements were prepared.
        return {"prepare_threshold": None}
    options = {**settings, **_KEEPALIVES}
    return {"options": " ".join(f"-c {name}={value}" for name, value in options.items())}


def _set_in_each_transaction(engine: Engine, settings: dict[str, str]) -> None:
    statement = ";".join(f"SET LOCAL {name} = '{value}'" for name, value in settings.items())

    @event.listens_for(engine, "begin")
    def set_locally(connection: Connection) -> None:
        connection.exec_driver_sql(statement)


def sessions(engine: Engine, routes: Routes) -> Sessions:
    """Return a factory of sessions that know which tasks each event obliges.

    Who only reads ends with a commit, too (`sessions.begin()`): a rollback makes psycopg forget every
    statement that it has prepared.
    """
    factory = sessionmaker(engine, expire_on_commit=False, info={_ROUTES: routes})
    event.listen(factory, "before_commit", _send_wakes)
    return factory


def routes_of(session: Session) -> Routes:
    """Return the routes that `sessions` was given."""
    routes: Routes = session.info[_ROUTES]
    return routes


def wake(session: Session, channel: Channel) -> None:
    """Make the commit of this transaction wake whoever listens."""
    session.info.setdefault(_WAKING, set()).add(channel)


def _send_wakes(session: Session) -> None:
    # Right before the commit, and only by who gets the lock: a plain NOTIFY in every transaction takes one
    # lock for the whole server and forfeits group commit. Who is skipped is seen by the one that wakes now.
    for channel in sorted(session.info.pop(_WAKING, ())):
        session.execute(_WAKE, {"channel": channel, "lock": _WAKE_LOCKS[channel]})
