"""What pruning would do now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, TextClause, text

from publisher.partitions import PARTITIONED, Partition, key_of
from publisher.prune.days import old_days, owed_days
from publisher.prune.retention import Old

_DELIVERIES = text("""
SELECT count(*) FROM delivery WHERE message_time < :before AND state IN ('succeeded', 'failed', 'cancelled')
""")
_TOMBSTONES = text("SELECT count(*) FROM tombstone WHERE retracted_at < :before")


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What would go.

    Attributes:
        days: partitions that would be dropped whole.
        owed: partitions of which only what nobody is to get any more would go.
        rows: that would be deleted, by table or partition; messages that are owed are counted, too.
    """

    days: Sequence[Partition]
    owed: Sequence[Partition]
    rows: Mapping[str, int]


def forecast(connection: Connection, old: Old) -> Forecast:
    """Return what pruning would do now; counts, so it takes as long as reading the deliveries once."""
    days = [] if old.records is None else old_days(connection, before=old.records)
    owed = owed_days(connection, days)
    rows = {
        "delivery": _count(connection, _DELIVERIES, old.deliveries),
        "tombstone": _count(connection, _TOMBSTONES, old.tombstones),
        **{f"{table}_default": _count(connection, _among_newer(table), old.records) for table in PARTITIONED},
    }
    return Forecast(
        days=[one for one in days if one not in owed],
        owed=sorted(owed, key=lambda one: one.name),
        rows={part: count for part, count in rows.items() if count},
    )


def _among_newer(table: str) -> TextClause:
    return text(f"SELECT count(*) FROM {table}_default WHERE {key_of(table)} < :before")


def _count(connection: Connection, statement: TextClause, before: datetime | None) -> int:
    return 0 if before is None else connection.execute(statement, {"before": before}).scalar_one()
