"""The migrations make the tables that the code declares, and harm neither data nor older code."""

from collections.abc import Iterator

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, make_url, text
from sqlalchemy.schema import SchemaItem

from publisher.database import connect
from publisher.migrations import migrate, newest_revision, revision_of
from publisher.schema import Row

# What the version before needs while it is being replaced; a later migration drops it.
LEFT_BEHIND = {"required_generation", "owed_since", "rendered_at"}


def is_declared(_item: SchemaItem, name: str | None, kind: str, _reflected: bool, _other: object) -> bool:
    """Leave out what the code does not declare on purpose: partitions, and Alembic's own table."""
    return name in Row.metadata.tables if kind == "table" else name not in LEFT_BEHIND


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


@pytest.fixture
def first_version(engine: Engine) -> Iterator[Engine]:
    """A database as the first version of the code left it."""
    name = f"{engine.url.database}_first"
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f'CREATE DATABASE "{name}" TEMPLATE template0'))
        first = connect(make_url(engine.url).set(database=name).render_as_string(hide_password=False))
        migrate(first, to="0001")
        yield first
        first.dispose()
        connection.execute(text(f'DROP DATABASE "{name}"'))


def test_what_older_code_wrote_before_and_after_a_migration_is_kept(first_version: Engine) -> None:
    as_older_code_writes = text(
        "INSERT INTO event_task (task, event_id, queue, type, subject, data, due_at) VALUES"
        " ('enrich', gen_random_uuid(), 'pipeline', 'article.received', gen_random_uuid(), '{}', now())"
    )
    with first_version.begin() as connection:
        connection.execute(as_older_code_writes)

    migrate(first_version)

    with first_version.begin() as connection:
        connection.execute(as_older_code_writes)
        assert connection.scalar(text("SELECT count(*) FROM event_task WHERE traceparent IS NULL")) == 2
        assert revision_of(connection) == newest_revision()


def test_what_is_over_is_due_no_more(first_version: Engine) -> None:
    owed = text(
        "INSERT INTO delivery (message_id, message_time, endpoint_id, shard, state, next_attempt_at)"
        " VALUES (gen_random_uuid(), now(), gen_random_uuid(), 1, :state, now())"
    )
    migrate(first_version, to="0008")
    with first_version.begin() as connection:
        connection.execute(owed, [{"state": "pending"}, {"state": "succeeded"}])

    migrate(first_version)

    with first_version.connect() as connection:
        due = text("SELECT state FROM delivery WHERE next_attempt_at IS NOT NULL")
        assert connection.scalars(due).all() == ["pending"]
