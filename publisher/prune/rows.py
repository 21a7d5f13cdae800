"""Rows that are old and lie among newer ones: deleted a slice at a time, and whoever holds one keeps it."""

import time
from datetime import datetime

from sqlalchemy import Connection, text

from publisher.partitions import PARTITIONED, key_of

SLICE = 2_000
"""Rows in one statement."""

PAGES = 256
"""Pages of `delivery` in one statement: some thousand rows."""

_BLOCK_BYTES = text("SELECT current_setting('block_size')::int")
_NOT_OWED = """
    AND NOT EXISTS (
        SELECT FROM delivery
        WHERE state IN ('pending', 'held') AND message_time = old.time AND message_id = old.id
    )
"""
_TOMBSTONES = text("""
DELETE FROM tombstone WHERE (article_id, label_id) IN (
    SELECT article_id, label_id FROM tombstone WHERE retracted_at < :before
    ORDER BY retracted_at LIMIT :slice FOR UPDATE SKIP LOCKED
)
""")
# By where they lie in the table: no index has to know their age, and each page is read once a pass. What a
# sender, a replay or a takedown holds is skipped, so that nobody waits for anybody.
_DELIVERIES = text("""
WITH old AS (
    SELECT id FROM delivery
    WHERE ctid >= CAST(:first AS tid) AND ctid < CAST(:last AS tid)
        AND message_time < :before AND state IN ('succeeded', 'failed', 'cancelled')
    FOR UPDATE SKIP LOCKED
)
DELETE FROM delivery USING old WHERE delivery.id = old.id
""")


def delete_old_rows(connection: Connection, part: str, *, before: datetime) -> int:
    """Delete a slice of old rows from a part of a partitioned table; return how many.

    Messages that are still to be delivered, or held, stay.

    Args:
        part: the name of a partition, `event_default` for instance.
    """
    table = next(one for one in PARTITIONED if part.startswith(f"{one}_"))
    condition = f"{key_of(table)} < :before" + (_NOT_OWED if table == "message" else "")
    chosen = f"SELECT ctid FROM {part} AS old WHERE {condition} LIMIT :slice FOR UPDATE SKIP LOCKED"
    statement = text(f"DELETE FROM {part} WHERE ctid = ANY(ARRAY({chosen}))")
    return connection.execute(statement, {"before": before, "slice": SLICE}).rowcount


def delete_tombstones(connection: Connection, *, before: datetime) -> int:
    """Delete a slice of old tombstones; return how many."""
    return connection.execute(_TOMBSTONES, {"before": before, "slice": SLICE}).rowcount


def delivery_pages(connection: Connection) -> int:
    """Return how many pages there are to be walked."""
    size = connection.execute(text("SELECT pg_relation_size('delivery')")).scalar_one()
    return int(-(-size // connection.execute(_BLOCK_BYTES).scalar_one()))


def delete_deliveries(
    connection: Connection, *, before: datetime, page: int, deadline: float
) -> tuple[int, int | None]:
    """Delete the finished deliveries of old messages, page by page; return how many, and the next page.

    Args:
        page: where to begin.
        deadline: by `time.monotonic`; no pages are begun after it.
    """
    deleted, pages = 0, delivery_pages(connection)
    while page < pages:
        bounds = {"first": f"({page},0)", "last": f"({page + PAGES},0)"}
        deleted += connection.execute(_DELIVERIES, {**bounds, "before": before}).rowcount
        page += PAGES
        if time.monotonic() >= deadline:
            break
    return deleted, page if page < pages else None
