"""What pruning would do now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from publisher.prune.days import is_owed
from publisher.prune.parts import START, parts_from
from publisher.prune.retention import Old
from publisher.prune.rows import count_old_rows


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What would go.

    Attributes:
        days: partitions that would be dropped whole.
        rows: that would be deleted, by table or partition.
    """

    days: Sequence[str]
    rows: Mapping[str, int]


def forecast(connection: Connection, old: Old) -> Forecast:
    """Return what pruning would do now; counts, so it takes as long as reading the deliveries once."""
    days: list[str] = []
    rows: dict[str, int] = {}
    for part in parts_from(connection, old, START):
        if part.day is not None and not is_owed(connection, part.day):
            days.append(part.name)
        elif count := count_old_rows(connection, part.name, before=part.before):
            rows[part.name] = count
    return Forecast(days=days, rows=rows)
