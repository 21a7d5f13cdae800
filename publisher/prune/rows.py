"""Rows that are old and lie among newer ones: deleted page by page, and whoever holds one keeps it."""

import time
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, TextClause, text

from publisher.briefly import LONGEST_STATEMENT, Hindered, TookTooLong, briefly
from publisher.partitions import PARTITIONED, key_of
from publisher.prune.parts import Part, Place

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


@dataclass(frozen=True, kw_only=True)
class Deleted:
    """What was done in a part of a table.

    Attributes:
        rows: that were deleted.
        place: where to go on in the same part; None: it is over.
        slow: the page that took too long by itself, and was left.
    """

    rows: int = 0
    place: Place | None
    slow: str = ""


def count_old_rows(connection: Connection, part: str, *, before: datetime) -> int:
    """Return how many rows are old in a part of a table; reads all of it."""
    counting = text(f"SELECT count(*) {_old_rows(part)}")
    bounds = _bounds(0, pages_of(connection, part), before)
    return int(connection.execute(counting, bounds).scalar_one())


def delete_old_rows(connection: Connection, part: Part, place: Place, *, deadline: float) -> Deleted:
    """Delete the old rows of a part of a table, page by page, from a place in it on.

    No index has to know how old they are, and each page is read once a pass. What a sender, a replay or a
    takedown holds is skipped, so that nobody waits for anybody. Where pages take too long, the next place is
    the same one with half as many; a page that takes too long alone is left, and the next place behind it.

    Args:
        deadline: by `time.monotonic`; after the first statement, none is begun after it.

    Raises:
        Hindered: when the table is locked; nothing was deleted.
    """
    rows, page, step = 0, place.page, place.step or FEWEST_PAGES
    with briefly(connection, part.name, statement_timeout=LONGEST_STATEMENT):
        pages = pages_of(connection, part.name)
    while page < pages and (page == place.page or time.monotonic() < deadline):
        began, end = time.monotonic(), min(page + step, pages)
        try:
            rows += _delete(connection, part, page, end)
        except TookTooLong as slow:
            if page == place.page and end == page + 1:
                return Deleted(place=_behind(part, end, 1, pages), slow=f"page {page} of {slow}")
            step = max((end - page) // 2, 1)
            break
        except Hindered:
            if page == place.page:
                raise
            break
        page = end
        if time.monotonic() - began < _QUICK_S:
            step = min(2 * step, MOST_PAGES)
    return Deleted(rows=rows, place=_behind(part, page, step, pages))


def _delete(connection: Connection, part: Part, first: int, last: int) -> int:
    with briefly(connection, part.name, statement_timeout=LONGEST_STATEMENT):
        return connection.execute(_deleting(part.name), _bounds(first, last, part.before)).rowcount


def _behind(part: Part, page: int, step: int, pages: int) -> Place | None:
    fewer = step if step < FEWEST_PAGES else 0
    return Place(part=part.name, page=page, step=fewer) if page < pages else None


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
