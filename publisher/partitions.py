"""Tables that are partitioned by day: a partition is made before its day begins, and dropped as a whole."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import Connection, text

PARTITIONED = ("attempt", "event", "message", "step")
DAYS_AHEAD = 7
_KEYS = {"attempt": "at", "step": "ended_at"}
_DAYS = text(f"""
SELECT relname, relispartition FROM pg_class
WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'
    AND relname ~ '^({"|".join(PARTITIONED)})_[0-9]{{8}}$'
ORDER BY relname
""")


@dataclass(frozen=True, kw_only=True)
class Partition:
    """A day of a table.

    Attributes:
        attached: whether it is part of its table; it is not any more right before it is dropped.
    """

    table: str
    day: date
    attached: bool = True

    @property
    def name(self) -> str:
        """The name of its own table."""
        return f"{self.table}_{self.day:%Y%m%d}"

    @property
    def begins_at(self) -> datetime:
        """The first instant of its day."""
        return datetime.combine(self.day, time(), tzinfo=UTC)

    @property
    def ends_at(self) -> datetime:
        """The first instant after its day."""
        return self.begins_at + timedelta(days=1)


def create_default_partition(connection: Connection, table: str) -> None:
    """Create the partition that takes rows of days which have none of their own."""
    connection.execute(text(f"CREATE TABLE {table}_default PARTITION OF {table} DEFAULT"))


def prepare_partitions(connection: Connection, *, at: datetime, days: int = DAYS_AHEAD) -> list[str]:
    """Create the partitions of today and the coming days where they are missing; return their names.

    A day that has rows in the default partition already keeps them there, and gets no partition.
    """
    made = []
    for table in PARTITIONED:
        for ahead in range(days + 1):
            partition = Partition(table=table, day=at.date() + timedelta(days=ahead))
            if _create_partition(connection, partition):
                made.append(partition.name)
    return made


def partitions(connection: Connection) -> list[Partition]:
    """Return every day of every table, also those that are not attached any more; by table, then day."""
    return [
        Partition(
            table=row.relname[:-9],
            day=datetime.strptime(row.relname[-8:], "%Y%m%d").replace(tzinfo=UTC).date(),
            attached=row.relispartition,
        )
        for row in connection.execute(_DAYS)
    ]


def key_of(table: str) -> str:
    """Return the column that a table is partitioned by."""
    return _KEYS.get(table, "time")


def detach(connection: Connection, partition: Partition) -> None:
    """Take a partition out of its table: its rows are gone for everybody.

    Until the transaction ends, nobody reads or writes the table: end it at once.
    """
    connection.execute(text(f"ALTER TABLE {partition.table} DETACH PARTITION {partition.name}"))


def drop(connection: Connection, partition: Partition) -> None:
    """Drop a partition that was taken out; nobody waits for it."""
    connection.execute(text(f"DROP TABLE {partition.name}"))


def _create_partition(connection: Connection, partition: Partition) -> bool:
    table, name, key = partition.table, partition.name, key_of(partition.table)
    if connection.scalar(text("SELECT to_regclass(:name)"), {"name": name}) is not None:
        return False
    first, last = partition.begins_at, partition.ends_at
    rows_in_default = text(
        f"SELECT EXISTS (SELECT FROM {table}_default WHERE {key} >= :first AND {key} < :last)"
    )
    if connection.scalar(rows_in_default, {"first": first, "last": last}):
        return False
    # ATTACH locks the parent less than CREATE … PARTITION OF, which would stop every reader; but the default
    # partition it locks for everybody.
    connection.execute(text(f"CREATE TABLE {name} (LIKE {table} INCLUDING ALL)"))
    connection.execute(
        text(
            f"ALTER TABLE {table} ATTACH PARTITION {name}"
            f" FOR VALUES FROM ('{first.isoformat()}') TO ('{last.isoformat()}')"
        )
    )
    return True
