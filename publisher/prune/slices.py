"""One slice of pruning after the other, each a short transaction: for housekeeping and for operators."""

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from publisher.briefly import Hindered
from publisher.database import Sessions
from publisher.partitions import PARTITIONED
from publisher.prune.days import drop_leftover, old_days, owed_days, take_out
from publisher.prune.retention import Old
from publisher.prune.rows import delete_deliveries, delete_old_rows, delete_tombstones

LONGEST_S = 0.5
"""After this long a slice begins nothing more."""

MOST_TRIES = 20
"""So often a partition that somebody uses is tried to be taken out."""

EVERYTHING = "everything"
"""What is hindered while somebody else prunes."""

# Two that prune at once would only be in each other's way.
_ALONE = text("SELECT pg_try_advisory_xact_lock(7161021)")


@dataclass(frozen=True, kw_only=True)
class Slice:
    """What one slice has done.

    Attributes:
        what: the partition or the table; empty when there was nothing left to do.
        rows: that were deleted; None: the partition was taken out, or dropped, with all that it held.
        next_page: where the walk through the deliveries goes on; None: it has not begun, or is over.
        hindered: why it could not be done now.
    """

    what: str = ""
    rows: int | None = 0
    next_page: int | None = None
    hindered: str = ""

    @property
    def is_last(self) -> bool:
        """Whether nothing is left to do."""
        return not self.what


def prune_slice(session: Session, old: Old, *, page: int | None, but: Collection[str] = ()) -> Slice:
    """Do the next thing that there is to do; the caller ends the transaction at once.

    Args:
        page: where to walk through the deliveries; None: not at all.
        but: partitions that are left as they are.
    """
    if not session.scalar(_ALONE):
        return Slice(what=EVERYTHING, hindered="somebody else prunes at this moment", next_page=page)
    for step in (_whole_day, _among_newer, _tombstones):
        done = step(session, old, but)
        if done is not None:
            return _at(done, page)
    return _deliveries(session, old, page)


def _at(done: Slice, page: int | None) -> Slice:
    return Slice(what=done.what, rows=done.rows, hindered=done.hindered, next_page=page)


def _whole_day(session: Session, old: Old, but: Collection[str]) -> Slice | None:
    """Drop what was taken out before, else take out the next day that nobody needs any more."""
    if old.records is None:
        return None
    connection = session.connection()
    days = old_days(connection, before=old.records)
    if (dropped := drop_leftover(connection, days)) is not None:
        return Slice(what=dropped.name, rows=None)
    days = [one for one in days if one.name not in but]
    owed = owed_days(connection, days)
    for day in owed:
        if deleted := delete_old_rows(connection, day.name, before=old.records):
            return Slice(what=day.name, rows=deleted)
    for day in days:
        if day not in owed:
            try:
                take_out(connection, day)
            except Hindered as hindrance:
                return Slice(what=day.name, hindered=str(hindrance))
            return Slice(what=day.name, rows=None)
    return None


def _among_newer(session: Session, old: Old, _: Collection[str]) -> Slice | None:
    if old.records is None:
        return None
    for table in PARTITIONED:
        part = f"{table}_default"
        if deleted := delete_old_rows(session.connection(), part, before=old.records):
            return Slice(what=part, rows=deleted)
    return None


def _tombstones(session: Session, old: Old, _: Collection[str]) -> Slice | None:
    if old.tombstones is None:
        return None
    deleted = delete_tombstones(session.connection(), before=old.tombstones)
    return Slice(what="tombstone", rows=deleted) if deleted else None


def _deliveries(session: Session, old: Old, page: int | None) -> Slice:
    if old.deliveries is None or page is None:
        return Slice()
    deadline = time.monotonic() + LONGEST_S
    deleted, next_page = delete_deliveries(
        session.connection(), before=old.deliveries, page=page, deadline=deadline
    )
    return Slice(what="delivery", rows=deleted, next_page=next_page)


def prune_all(sessions: Sessions, old: Old, *, wait: Callable[[], None]) -> Iterator[Slice]:
    """Prune until nothing is left to do; yield what each slice has done.

    What is hindered is tried again and again, and then left: its last slice says so.

    Args:
        wait: lets others work before the next try.
    """
    page: int | None = 0
    tries: Counter[str] = Counter()
    while True:
        left = [what for what, count in tries.items() if count >= MOST_TRIES]
        with sessions.begin() as session:
            done = prune_slice(session, old, page=page, but=left)
        if done.is_last or EVERYTHING in left:
            return
        page = done.next_page
        tries[done.what] += bool(done.hindered)
        if not done.hindered or tries[done.what] >= MOST_TRIES:
            yield done
        if done.hindered:
            wait()
