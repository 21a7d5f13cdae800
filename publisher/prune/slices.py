"""One slice of pruning after the other, each a short transaction: for housekeeping and for operators."""

import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
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
        slow: whether that is a page that takes too long by itself: to try again soon would not help.
        place: where the pass goes on; None: it is over.
    """

    what: str = ""
    rows: int | None = 0
    hindered: str = ""
    slow: bool = False
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
        here = place if part.name == place.part else Place(part=part.name)
        behind = None if following is None else Place(part=following.name)
        try:
            done = _prune(connection, part, here, deadline=deadline, whole_days=whole_days)
        except Hindered as hindrance:
            return Slice(what=part.name, hindered=str(hindrance), place=behind)
        if done.rows != 0 or done.hindered or done.place is not None or time.monotonic() >= deadline:
            return replace(done, what=part.name, place=done.place or behind)
    return Slice()


def _prune(connection: Connection, part: Part, here: Place, *, deadline: float, whole_days: bool) -> Slice:
    """Do the next thing in a part; the place is None when nothing is left to do in it."""
    if part.day is not None and here.page == 0 and let_go(connection, part.day):
        return Slice(rows=None, place=Place(part=part.name) if part.day.attached else None)
    if whole_days:
        return Slice()
    deleted = delete_old_rows(connection, part, here, deadline=deadline)
    return Slice(rows=deleted.rows, place=deleted.place, hindered=deleted.slow, slow=bool(deleted.slow))


@dataclass(kw_only=True)
class _Tries:
    """What somebody hinders, and is to be tried again.

    Attributes:
        everything: how often pruning was hindered altogether, since it got on for the last time.
        left: the last slice of each part that was hindered, and not done since.
        again: those of them that were hindered in this pass, too.
    """

    everything: int = 0
    left: dict[str, Slice] = field(default_factory=dict)
    again: set[str] = field(default_factory=set)

    def note(self, done: Slice) -> None:
        if done.what == EVERYTHING:
            self.everything += 1
            return
        self.everything = 0
        self.left.pop(done.what, None)
        if done.hindered and not done.slow:
            self.left[done.what] = done
            self.again.add(done.what)

    def end_pass(self) -> None:
        # What did not come up again is gone: somebody else has dropped it.
        self.left = {what: done for what, done in self.left.items() if what in self.again}
        self.again = set()


def prune_all(sessions: Sessions, old: Old, *, wait: Callable[[], None]) -> Iterator[Slice]:
    """Prune until nothing is left to do; yield what each slice has done.

    What is hindered is tried in pass after pass, and then left: its last slice says so. A page that takes
    too long is left at once.

    Args:
        wait: lets others work before the next try.
    """
    tries, passes = _Tries(), 0
    while passes == 0 or (tries.left and passes < MOST_TRIES):
        passes += 1
        for done in _pass(sessions, old, [*tries.left] or None):
            tries.note(done)
            if done.what and (done.slow or not done.hindered):
                yield done
            if tries.everything >= MOST_TRIES:
                yield from (done, *tries.left.values())
                return
            if done.hindered:
                wait()
        tries.end_pass()
    yield from tries.left.values()


def _pass(sessions: Sessions, old: Old, only: Collection[str] | None) -> Iterator[Slice]:
    place: Place | None = START
    while place is not None:
        with sessions.begin() as session:
            done = prune_slice(session, old, place, only=only)
        yield done
        place = done.place
