"""What a pass of pruning goes through, in its order, and where it is."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from publisher.partitions import PARTITIONED, Partition
from publisher.prune.days import old_days
from publisher.prune.retention import Old

_LAST = (*(f"{table}_default" for table in PARTITIONED), "tombstone", "delivery")


@dataclass(frozen=True, kw_only=True)
class Part:
    """A table, or a partition of one.

    Attributes:
        before: what is older than this goes.
        day: which may go as a whole; None: old and new rows lie side by side.
    """

    name: str
    before: datetime
    day: Partition | None = None


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a pass goes on.

    Attributes:
        part: the name of one; empty: the first.
        page: of it.
        step: pages of it that are read at once; 0: as many as usual. Fewer where they took too long.
    """

    part: str = ""
    page: int = 0
    step: int = 0


START = Place()


def parts_from(
    connection: Connection, old: Old, place: Place, *, only: Collection[str] | None = None
) -> list[Part]:
    """Return the parts that may hold something old, from a place on: days first.

    Args:
        only: the names of those that are wanted; None: all.
    """
    return [
        one
        for one in (*_days(connection, old), *_among_newer(old))
        if _rank(one.name) >= _rank(place.part) and (only is None or one.name in only)
    ]


def _days(connection: Connection, old: Old) -> list[Part]:
    if old.records is None:
        return []
    days = old_days(connection, before=old.records)
    return [Part(name=day.name, before=old.records, day=day) for day in days]


def _among_newer(old: Old) -> list[Part]:
    before = {"tombstone": old.tombstones, "delivery": old.deliveries}
    instants = ((name, before.get(name, old.records)) for name in _LAST)
    return [Part(name=name, before=instant) for name, instant in instants if instant is not None]


def _rank(name: str) -> tuple[int, str]:
    # The part where a pass was may be gone by now.
    return (_LAST.index(name) + 1, "") if name in _LAST else (0, name)
