"""Whether a database can be used at all; what cannot work is refused in one line."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from publisher.errors import SettingsError
from publisher.migrations import Standing, schema_of
from publisher.schema import Row
from publisher.settings import PREFIX

OLDEST = (15,)
_POOLER, _REFUSES = "is a transaction pooler", "PostgreSQL refuses"
_FULL = re.compile("too many (clients|connections)|connection slots are reserved")
_READ_ONLY = text("SELECT pg_is_in_recovery(), current_setting('default_transaction_read_only') = 'on'")
_WITHOUT_RIGHTS = text("""
SELECT name, to_regclass(name) IS NULL AS missing, current_user AS me
FROM unnest(cast(:names AS text[])) AS name
WHERE to_regclass(name) IS NULL OR NOT (
    has_table_privilege(name, 'SELECT') AND has_table_privilege(name, 'INSERT')
    AND has_table_privilege(name, 'UPDATE') AND has_table_privilege(name, 'DELETE'))
ORDER BY name
LIMIT 1
""")
# Tells the database from every other one, and its server from a copy of it.
_WHICH = text("""
SELECT pg_postmaster_start_time(), oid FROM pg_database WHERE datname = current_database()
""")
# What the server itself said, without where it was tried: the last, when several addresses were.
_SERVERS_WORD = re.compile(r"(?:FATAL|PANIC): +(.+?)(?= connection (?:to|is) |$)")


@contextmanager
def reaching(setting: str = "DATABASE_URL") -> Iterator[None]:
    """Turn what PostgreSQL answers inside the block into one line about the setting that led there.

    Raises:
        SettingsError: when it cannot be reached, or refuses.
    """
    try:
        yield
    except DBAPIError as error:
        raise SettingsError(f"{PREFIX}{setting}: {reason_of(error)}") from error


def reason_of(error: DBAPIError) -> str:
    """Return why PostgreSQL could not be asked, or what it refused, on one line."""
    told = " ".join(str(error.orig).split())
    if "unsupported startup parameter" in told:
        return f"{_POOLER}; expected the server's own address in {PREFIX}LISTEN_URL as well"
    if word := _SERVERS_WORD.findall(told):
        return f"{_REFUSES}: {word[-1]}"
    if isinstance(error.orig, psycopg.Error) and error.orig.diag.message_primary:
        return f"{_REFUSES}: {error.orig.diag.message_primary}"
    return f"cannot be reached ({told})"


def remedy_of(error: DBAPIError) -> str:
    """Return what an operator can do about it, as a clause in the imperative."""
    reason = reason_of(error)
    if _FULL.search(reason):
        return "raise max_connections and restart it, or end some of the processes: each keeps what it has"
    if _POOLER in reason:
        return f"set {PREFIX}LISTEN_URL"
    if reason.startswith(_REFUSES):
        return f"correct {PREFIX}DATABASE_URL, or see the log of PostgreSQL"
    return f"start it, or correct {PREFIX}DATABASE_URL"


def refuse_server(connection: Connection) -> None:
    """See that the server is new enough and takes what is written.

    Raises:
        SettingsError: when it is not.
    """
    version = connection.dialect.server_version_info or ()
    if version < OLDEST:
        shown = ".".join(map(str, version))
        raise SettingsError(f"{PREFIX}DATABASE_URL: is PostgreSQL {shown}, expected {OLDEST[0]} or newer")
    in_recovery, by_default = connection.execute(_READ_ONLY).one()
    if in_recovery:
        raise SettingsError(
            f"{PREFIX}DATABASE_URL: is a standby, which is read-only; expected the primary server"
        )
    if by_default:
        raise SettingsError(
            f"{PREFIX}DATABASE_URL: is read-only (default_transaction_read_only), expected one to write to"
        )


def refuse_schema(connection: Connection) -> None:
    """See that the database has this version's tables, and that we may use them.

    Raises:
        SettingsError: when it has not, or we may not.
    """
    schema = schema_of(connection)
    if schema.standing is not Standing.CURRENT:
        raise SettingsError(f"{PREFIX}DATABASE_URL: {schema}")
    lacking = connection.execute(_WITHOUT_RIGHTS, {"names": list(Row.metadata.tables)}).first()
    if lacking is None:
        return
    if lacking.missing:
        raise SettingsError(
            f"{PREFIX}DATABASE_URL: the database has no table {lacking.name}; restore it whole"
        )
    raise SettingsError(
        f"{PREFIX}DATABASE_URL: user {lacking.me} may not read and write table {lacking.name};"
        " expected the owner of the tables"
    )


def refuse_another_database(connection: Connection, direct: Connection) -> None:
    """See that PUBLISHER_LISTEN_URL leads where PUBLISHER_DATABASE_URL does.

    Raises:
        SettingsError: when it does not: nothing would be heard there.
    """
    if connection.execute(_WHICH).one() != direct.execute(_WHICH).one():
        raise SettingsError(
            f"{PREFIX}LISTEN_URL: leads to another database than {PREFIX}DATABASE_URL; expected the same one"
        )
