"""One slice of pruning after the other, each a short transaction: for housekeeping and for operators."""

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from itertools import pairwise

from sqlalchemy import Connection, text
from sqlalchemy.orm import Session

from publisher.briefly import Hindered
from publisher.database import Sessions
from publisher.prune.days import let_go
from publisher.prune.parts import START, Part, Place, parts_from
from publisher.prune.retention import Old
from publisher.prune.rows import delete_old_rows

LONGEST_S = 0.5
"""After this long a slice begins nothing more."""

MOST_TRIES = 20
"""So often is tried what somebody hinders."""

EVERYTHING = "everything"
"""What is hindered while somebody else prunes."""

# Two that prune at once would only be in each other's way.
_ALONE = text("SELECT pg_try_advisory_xact_lock(7161021)")


@dataclass(frozen=True, kw_only=True)
class Slice:
    """What one slice has done.

    Attributes:
        what: the part; empty when there was nothing left to do.
        rows: that were deleted; None: the partition was taken out, or dropped, with all that it held.
        hindered: why it could not be done now; the pass goes on behind it.
        place: where the pass goes on; None: it is over.
    """

    what: str = ""
    rows: int | None = 0
    hindered: str = ""
    place: Place | None = None


def prune_slice(
    session: Session,
    old: Old,
    place: Place,
    *,
    only: Collection[str] | None = None,
    whole_days: bool = False,
) -> Slice:
    """Do the next thing that there is to do in a pass; the caller ends the transaction at once.

    Args:
        only: the names of parts to which the pass keeps; None: all.
        whole_days: drop days, and walk through no rows.
    """
    if not session.scalar(_ALONE):
        return Slice(what=EVERYTHING, hindered="somebody else prunes at this moment", place=place)
    connection, deadline = session.connection(), time.monotonic() + LONGEST_S
    parts: list[Part | None] = [*parts_from(connection, old, place, only=only)]
    for part, following in pairwise([*parts, None]):
        assert part is not None
        page = place.page if part.name == place.part else 0
        behind = None if following is None else Place(part=following.name)
        try:
            done = _prune(connection, part, page, deadline=deadline, whole_days=whole_days)
        except Hindered as hindrance:
            return Slice(what=part.name, hindered=str(hindrance), place=behind)
        if done.rows != 0 or done.place is not None or time.monotonic() >= deadline:
            return Slice(what=part.name, rows=done.rows, place=done.place or behind)
    return Slice()


def _prune(connection: Connection, part: Part, page: int, *, deadline: float, whole_days: bool) -> Slice:
    """Do the next thing in a part; the place is None when nothing is left to do in it."""
    if part.day is not None and page == 0 and let_go(connection, part.day):
        return Slice(rows=None, place=Place(part=part.name) if part.day.attached else None)
    if whole_days:
        return Slice()
    rows, next_page = delete_old_rows(connection, part.name, before=part.before, page=page, deadline=deadline)
    return Slice(rows=rows, place=None if next_page is None else Place(part=part.name, page=next_page))


def prune_all(sessions: Sessions, old: Old, *, wait: Callable[[], None]) -> Iterator[Slice]:
    """Prune until nothing is left to do; yield what each slice has done.

    What is hindered is tried in pass after pass, and then left: its last slice says so.

    Args:
        wait: lets others work before the next try.
    """
    tries: Counter[str] = Counter()
    only: Collection[str] | None = None
    while only is None or only:
        hindered: set[str] = set()
        for done in _pass(sessions, old, only):
            if done.hindered:
                tries[done.what] += 1
                hindered.add(done.what)
            if done.what and (not done.hindered or tries[done.what] >= MOST_TRIES):
                yield done
            if done.hindered:
                wait()
            if tries[EVERYTHING] >= MOST_TRIES:
                return
        only = {one for one in hindered if one != EVERYTHING and tries[one] < MOST_TRIES}


def _pass(sessions: Sessions, old: Old, only: Collection[str] | None) -> Iterator[Slice]:
    place: Place | None = START
    while place is not None:
        with sessions.begin() as session:
            done = prune_slice(session, old, place, only=only)
        yield done
        place = done.place
