"""An empty database for a test: tables as after the first migration, nothing of the tests before."""

from sqlalchemy import Engine, text

from publisher.database import Sessions
from publisher.schema import Row
from tests.waiting import eventually

_FILLED = """
SELECT coalesce(string_agg(format('%I', relname), ', '), '')
FROM pg_class
WHERE relkind IN ('r', 'p') AND NOT relispartition AND relnamespace = 'public'::regnamespace
  AND relname <> 'alembic_version'
"""
_AS_AT_FIRST = {
    "label": "count(*) = 1",
    "feed": "count(*) = 1 AND bool_and((generation, last_position) = (0, 0))",
    "shard_lease": "count(*) = 64 AND bool_and(holder IS NULL AND token = 0 AND until IS NULL)",
}
_IS_EMPTY = "SELECT " + " AND ".join(
    f"(SELECT {_AS_AT_FIRST[name]} FROM {name})"
    if name in _AS_AT_FIRST
    else f"NOT EXISTS (SELECT FROM {name})"
    for name in Row.metadata.tables
)
_WAITING = """
SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()
"""
_ALL = "018f0000-0000-7000-8000-000000000001"


def is_empty(engine: Engine) -> bool:
    """Return whether every table is as the first migration left it."""
    with engine.connect() as connection:
        return connection.scalar(text(_IS_EMPTY)) is True


def empty(engine: Engine) -> None:
    """Remove every row but those that the first migration made."""
    with engine.begin() as connection:
        tables = connection.scalar(text(_FILLED))
        connection.execute(text(f"TRUNCATE {tables} CASCADE"))
        connection.execute(
            text("INSERT INTO label (id, kind, slug, term) VALUES (:id, 'all', 'all', 'all')"), {"id": _ALL}
        )
        connection.execute(text("INSERT INTO feed (label_id) VALUES (:id)"), {"id": _ALL})
        connection.execute(text("INSERT INTO shard_lease (shard) SELECT generate_series(0, 63)"))


def until_somebody_waits(sessions: Sessions, *, within_s: float = 10.0) -> None:
    """Return once a transaction waits for a lock in this database."""

    def waiting() -> int:
        # A transaction of its own each time: within one, PostgreSQL shows the same picture again.
        with sessions() as session:
            return session.scalar(text(_WAITING)) or 0

    eventually(waiting, within_s=within_s)
