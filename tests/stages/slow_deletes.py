"""Rows that take too long to be deleted."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import text

from publisher.database import Sessions


@contextmanager
def slow_to_delete(database: Sessions, table: str, *, row: str = "true") -> Iterator[None]:
    """Rows of a table, by a condition, are deleted in half a minute each."""
    with database.begin() as session:
        session.execute(
            text(
                "CREATE FUNCTION hesitate() RETURNS trigger LANGUAGE plpgsql"
                " AS 'BEGIN PERFORM pg_sleep(30); RETURN OLD; END'"
            )
        )
        session.execute(
            text(
                f"CREATE TRIGGER hesitate BEFORE DELETE ON {table}"
                f" FOR EACH ROW WHEN ({row}) EXECUTE FUNCTION hesitate()"
            )
        )
    try:
        yield
    finally:
        with database.begin() as session:
            session.execute(text("DROP FUNCTION hesitate() CASCADE"))
