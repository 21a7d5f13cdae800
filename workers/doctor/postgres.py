"""Checks of PostgreSQL as a server: its version, schema, connections, clock, open transactions, secrets."""

import os
from collections.abc import Iterator

from sqlalchemy import Connection, select
from sqlalchemy.orm import Session

from publisher.errors import SettingsError
from publisher.notify.secrets import SecretBox
from publisher.schema import EndpointSecretRow
from publisher.settings import Settings
from workers.doctor.finding import Finding, judged, ok, problem, warning
from workers.surroundings.crowding import crowd
from workers.surroundings.database_concerns import database_clock, long_transactions
from workers.surroundings.postgres import refuse_server

_SAMPLE = 5


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


def check_secret_key(session: Session, settings: Settings) -> Iterator[Finding]:
    """See whether what is stored can be read with the key."""
    newest = select(EndpointSecretRow.endpoint_id, EndpointSecretRow.encrypted)
    rows = session.execute(newest.order_by(EndpointSecretRow.id.desc()).limit(_SAMPLE)).all()
    if settings.secret_key is None:
        yield warning(
            "secret key", "PUBLISHER_SECRET_KEY is not set here", "ask where `publisher sender` runs, too"
        )
    elif not rows:
        yield ok("secret key", "is set; no endpoint has a secret yet")
    elif any(_opens(SecretBox(settings.secret_key), row.encrypted, row.endpoint_id.bytes) for row in rows):
        yield ok("secret key", "opens the secrets of endpoints")
    else:
        yield problem(
            "secret key",
            "PUBLISHER_SECRET_KEY opens none of the newest secrets of endpoints",
            "set the key that they were stored with; without it, rotate the secret of every endpoint",
        )


def _opens(box: SecretBox, encrypted: bytes, owner: bytes) -> bool:
    try:
        box.decrypt(encrypted, owner=owner)
    except SettingsError:
        return False
    return True
