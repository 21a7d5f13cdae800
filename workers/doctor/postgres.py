"""Checks of PostgreSQL as a server: its version, schema, connections, clock, open transactions."""

import os
from collections.abc import Iterator

from sqlalchemy import Connection

from publisher.errors import SettingsError
from publisher.settings import Settings
from workers.doctor.finding import Finding, judged, ok, problem
from workers.surroundings.crowding import crowd
from workers.surroundings.database_concerns import database_clock, long_transactions
from workers.surroundings.postgres import refuse_server


def check_server(connection: Connection) -> Iterator[Finding]:
    """Look at its version, and whether it takes what is written."""
    try:
        refuse_server(connection)
    except SettingsError as error:
        yield problem("postgresql", str(error), "name another server, or upgrade this one")
    else:
        version = ".".join(map(str, connection.dialect.server_version_info or ()))
        yield ok("postgresql", f"version {version}")


def check_connections(connection: Connection, settings: Settings) -> Iterator[Finding]:
    """Compare what the processes may open with what the server allows."""
    if settings.goes_through_pooler:
        yield ok("connections", "the pooler decides over them: compare its limits with docs/settings.md")
        return
    found = crowd(connection, joining={}, pid=os.getpid())
    told = ", ".join(f"{count} {kind}" for kind, count in sorted(found.processes.items())) or "nobody"
    yield from judged(
        "connections", [found.as_concern()], f"{told}; at most {found.wanted} of {found.room} connections"
    )


def check_clock(connection: Connection) -> Iterator[Finding]:
    """Compare its clock with ours."""
    yield from judged("clock", [database_clock(connection)], "within a second of PostgreSQL's")


def check_transactions(connection: Connection) -> Iterator[Finding]:
    """Look for transactions that stay open."""
    concerns = [one.as_concern() for one in long_transactions(connection)]
    yield from judged("transactions", concerns, "none is older than a minute")
