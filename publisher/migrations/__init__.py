"""Bring a database to the schema that this version of the code expects."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

_FOLDER = Path(__file__).parent
# Two `migrate` at once take turns.
_LOCK = text("SELECT pg_advisory_lock(7161019)")
_UNLOCK = text("SELECT pg_advisory_unlock(7161019)")


def migrate(engine: Engine, *, to: str = "head") -> None:
    """Run every migration that the database lacks, up to one of them; none if it is current already."""
    with engine.connect() as connection:
        connection.execute(_LOCK)
        connection.commit()
        try:
            command.upgrade(_config(connection), to)
        finally:
            connection.rollback()
            connection.execute(_UNLOCK)
            connection.commit()


def revision_of(connection: Connection) -> str | None:
    """Return the newest migration that the database has seen, or None if it has seen none."""
    return MigrationContext.configure(connection).get_current_revision()


def newest_revision() -> str:
    """Return the migration that this version of the code expects."""
    head = ScriptDirectory(str(_FOLDER)).get_current_head()
    assert head is not None
    return head


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
