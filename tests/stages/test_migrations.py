"""The migrations make the tables that the code declares."""

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine
from sqlalchemy.schema import SchemaItem

from publisher.migrations import migrate, newest_revision, revision_of
from publisher.schema import Row


def is_declared(_item: SchemaItem, name: str | None, kind: str, _reflected: bool, _other: object) -> bool:
    """Leave out what the code does not declare on purpose: partitions, and Alembic's own table."""
    return kind != "table" or name in Row.metadata.tables


def test_the_tables_are_those_that_the_code_declares(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={"compare_type": True, "compare_server_default": True, "include_object": is_declared},
        )

        differences = compare_metadata(context, Row.metadata)

    assert differences == []


def test_migrating_again_changes_nothing(engine: Engine) -> None:
    migrate(engine)

    with engine.connect() as connection:
        assert revision_of(connection) == newest_revision()
