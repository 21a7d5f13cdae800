"""Rows that are old and lie among newer ones: deleted page by page, and whoever holds one keeps it."""

import time
from datetime import datetime, timedelta

from sqlalchemy import Connection, TextClause, text

from publisher.briefly import Hindered, briefly
from publisher.partitions import PARTITIONED, key_of

LONGEST_STATEMENT = timedelta(seconds=1)
"""What takes longer is given up, and its part left for the next time."""

FEWEST_PAGES, MOST_PAGES = 32, 256
"""Pages of a table in one statement: more and more while they go quickly; a page is some dozens of rows."""

_QUICK_S = 0.1
_PAGES = text("""
SELECT -(-pg_relation_size(CAST(:part AS regclass)) / current_setting('block_size')::int)
""")
# Of the messages on these pages: rows of `delivery` lie about in the order of their messages, and so its
# index by time finds these few.
_NOT_OWED = """NOT EXISTS (
    SELECT FROM delivery
    WHERE state IN ('pending', 'held') AND message_time = old.time AND message_id = old.id
        AND message_time BETWEEN (SELECT min(time) {pages}) AND (SELECT max(time) {pages})
)"""


def count_old_rows(connection: Connection, part: str, *, before: datetime) -> int:
    """Return how many rows are old in a part of a table; reads all of it."""
    counting = text(f"SELECT count(*) {_old_rows(part)}")
    bounds = _bounds(0, pages_of(connection, part), before)
    return int(connection.execute(counting, bounds).scalar_one())


def delete_old_rows(
    connection: Connection, part: str, *, before: datetime, page: int, deadline: float
) -> tuple[int, int | None]:
    """Delete the old rows of a part of a table, page by page; return how many, and the page to go on at.

    No index has to know how old they are, and each page is read once a pass. What a sender, a replay or a
    takedown holds is skipped, so that nobody waits for anybody.

    Args:
        part: the name of a partition, or of a table.
        page: where to begin.
        deadline: by `time.monotonic`; after the first statement, none is begun after it.

    Raises:
        Hindered: when the table is locked, or the first statement takes too long; nothing was deleted.
    """
    deleting, deleted, next_page, step = _deleting(part), 0, page, FEWEST_PAGES
    with briefly(connection, part):
        pages = pages_of(connection, part)
    while next_page < pages and (next_page == page or time.monotonic() < deadline):
        began = time.monotonic()
        try:
            with briefly(connection, part, statement_timeout=LONGEST_STATEMENT):
                bounds = _bounds(next_page, next_page + step, before)
                deleted += connection.execute(deleting, bounds).rowcount
        except Hindered:
            if next_page == page:
                raise
            break
        next_page += step
        if time.monotonic() - began < _QUICK_S:
            step = min(2 * step, MOST_PAGES)
    return deleted, next_page if next_page < pages else None


def pages_of(connection: Connection, part: str) -> int:
    """Return how many pages there are to be walked."""
    return int(connection.execute(_PAGES, {"part": part}).scalar_one())


def _deleting(part: str) -> TextClause:
    chosen = f"SELECT old.ctid {_old_rows(part)} FOR UPDATE OF old SKIP LOCKED"
    return text(f"DELETE FROM {part} WHERE ctid = ANY(ARRAY({chosen}))")


def _old_rows(part: str) -> str:
    """Return from where, and under which condition, rows are old: for pruning and for its forecast."""
    pages = f"FROM {part} AS old WHERE old.ctid >= CAST(:first AS tid) AND old.ctid < CAST(:last AS tid)"
    if part == "delivery":
        condition = "message_time < :before AND state IN ('succeeded', 'failed', 'cancelled')"
    elif part == "tombstone":
        condition = "retracted_at < :before"
    else:
        table = next(one for one in PARTITIONED if part.startswith(f"{one}_"))
        condition = f"{key_of(table)} < :before"
        if table == "message":
            condition += f" AND {_NOT_OWED.format(pages=pages)}"
    return f"{pages} AND {condition}"


def _bounds(first: int, last: int, before: datetime) -> dict[str, object]:
    return {"first": f"({first},0)", "last": f"({last},0)", "before": before}
