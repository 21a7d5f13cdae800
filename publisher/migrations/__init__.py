"""Bring a database to the schema that this version of the code expects, unless it is somebody else's."""

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from publisher.errors import SettingsError
from publisher.schema import Row

_FOLDER = Path(__file__).parent
# Two `migrate` at once take turns.
_LOCK = text("SELECT pg_advisory_lock(7161019)")
_UNLOCK = text("SELECT pg_advisory_unlock(7161019)")
_PRESENT = text(
    "SELECT relname FROM pg_class"
    " WHERE relnamespace = current_schema()::regnamespace AND relname = ANY(:names) ORDER BY relname"
)
_OUR_REVISION = re.compile(r"[0-9]{4}")
# Nobody else has them by chance, and the first migration made them.
_OUR_TABLES = {"event_task", "shard_lease"}


class Standing(StrEnum):
    """How a database stands to this version of the code."""

    EMPTY = "empty"
    OLDER = "older"
    CURRENT = "current"
    NEWER = "newer"
    FOREIGN = "foreign"


@dataclass(frozen=True, kw_only=True)
class FoundSchema:
    """What a database holds.

    Attributes:
        found: the newest migration that it has seen; for a foreign one, what shows that it is none of ours.
    """

    standing: Standing
    found: str

    @property
    def serves(self) -> bool:
        """Whether code that is running already can go on with it: migrations only add."""
        return self.standing in (Standing.CURRENT, Standing.NEWER)

    def __str__(self) -> str:
        newest = newest_revision()
        advice = {
            Standing.EMPTY: f"at migration none, expected {newest}; run `publisher migrate`",
            Standing.OLDER: f"at migration {self.found}, expected {newest}; run `publisher migrate`",
            Standing.NEWER: f"at migration {self.found}, newer than {newest}, which this version knows;"
            " upgrade this program",
            Standing.FOREIGN: f"somebody else's ({self.found}); expected an empty one, or one of ours",
            Standing.CURRENT: f"at migration {self.found}, as expected",
        }
        return f"the database is {advice[self.standing]}"


def migrate(engine: Engine, *, to: str = "head") -> None:
    """Run every migration that the database lacks, up to one of them; none if it is current already.

    Args:
        engine: whose connections are the server's own: a lock is held from one transaction to the next.

    Raises:
        SettingsError: when the database is somebody else's or a newer version's; nothing was touched.
    """
    with engine.connect() as connection:
        connection.execute(_LOCK)
        connection.commit()
        try:
            schema = schema_of(connection)
            connection.commit()  # or Alembic would take its own transaction for a part of this one
            if schema.standing in (Standing.NEWER, Standing.FOREIGN):
                raise SettingsError(f"PUBLISHER_DATABASE_URL: {schema}")
            command.upgrade(_config(connection), to)
        finally:
            connection.rollback()
            connection.execute(_UNLOCK)
            connection.commit()


def schema_of(connection: Connection) -> FoundSchema:
    """Return what the database holds."""
    heads = MigrationContext.configure(connection).get_current_heads()
    if not heads:
        return _without_migrations(connection)
    found = ", ".join(sorted(heads))
    tables = connection.scalars(_PRESENT, {"names": list(_OUR_TABLES)}).all()
    if not _OUR_REVISION.fullmatch(found) or set(tables) != _OUR_TABLES:
        return FoundSchema(standing=Standing.FOREIGN, found=f"its alembic_version is {found}")
    newest = newest_revision()
    if found == newest:
        return FoundSchema(standing=Standing.CURRENT, found=found)
    return FoundSchema(standing=Standing.NEWER if found > newest else Standing.OLDER, found=found)


def revision_of(connection: Connection) -> str | None:
    """Return the newest migration that the database has seen, or None if it has seen none."""
    return MigrationContext.configure(connection).get_current_revision()


@cache
def newest_revision() -> str:
    """Return the migration that this version of the code expects."""
    head = ScriptDirectory(str(_FOLDER)).get_current_head()
    assert head is not None
    return head


def _without_migrations(connection: Connection) -> FoundSchema:
    clashing = connection.scalars(_PRESENT, {"names": list(Row.metadata.tables)}).all()
    if clashing:
        return FoundSchema(
            standing=Standing.FOREIGN, found=f"it has a table {clashing[0]}, and no alembic_version of ours"
        )
    return FoundSchema(standing=Standing.EMPTY, found="none")


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
