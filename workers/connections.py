"""How many connections to PostgreSQL each kind of process may hold, and under which name."""

from collections.abc import Mapping
from enum import StrEnum

from sqlalchemy import Engine

from publisher.database import connect
from publisher.settings import Settings


class Kind(StrEnum):
    """What connects; the server shows `publisher <kind> <process id>`."""

    WEB = "web"
    RELAY = "relay"
    WORKER = "worker"
    SENDER = "sender"
    LISTEN = "listen"
    MIGRATE = "migrate"
    COMMAND = "command"
    UP = "up"


POOLS: Mapping[Kind, int] = {
    Kind.WEB: 20,
    Kind.RELAY: 2,
    Kind.WORKER: 2,  # of each process that runs tasks
    Kind.SENDER: 2,
    Kind.LISTEN: 1,  # of each web process, relay and sender, besides their own
    Kind.MIGRATE: 2,
    Kind.COMMAND: 2,
    Kind.UP: 2,
}
"""Connections that a process of each kind holds at most."""


def name_of(kind: Kind) -> str:
    """Return what the names of a kind's connections begin with; the process id follows."""
    return f"publisher {kind}"


def engine_of(settings: Settings, kind: Kind, *, lock_timeout_s: float = 4) -> Engine:
    """Return this process's engine; nothing connects yet.

    Raises:
        SettingsError: when PUBLISHER_DATABASE_URL is not set.
    """
    return connect(
        settings.require("database_url"),
        pool_size=POOLS[kind],
        application_name=name_of(kind),
        lock_timeout_s=lock_timeout_s,
        through_pooler=settings.goes_through_pooler,
        # All that a relay writes are leases, and what becomes of them: a crash of the server that forgets
        # one makes work due again, and whoever has its message finds no token.
        waits_for_disk=kind is not Kind.RELAY,
    )


def direct_engine_of(settings: Settings, kind: Kind) -> Engine:
    """Return an engine that reaches the database without a pooler, for what outlives a transaction.

    Raises:
        SettingsError: when PUBLISHER_DATABASE_URL is not set.
    """
    return connect(settings.direct_url(), pool_size=POOLS[kind], application_name=name_of(kind))
