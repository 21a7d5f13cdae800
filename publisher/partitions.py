"""Tables that are partitioned by day: a partition is made before its day begins."""

from datetime import date, datetime, timedelta

from sqlalchemy import Connection, text

PARTITIONED = ("attempt", "event", "message", "step")
DAYS_AHEAD = 7


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
            day = at.date() + timedelta(days=ahead)
            if _create_partition(connection, table, day):
                made.append(_name(table, day))
    return made


def _name(table: str, day: date) -> str:
    return f"{table}_{day:%Y%m%d}"


def _create_partition(connection: Connection, table: str, day: date) -> bool:
    name = _name(table, day)
    if connection.scalar(text("SELECT to_regclass(:name)"), {"name": name}) is not None:
        return False
    key = {"attempt": "at", "step": "ended_at"}.get(table, "time")
    bounds = {"first": day.isoformat(), "last": (day + timedelta(days=1)).isoformat()}
    rows_in_default = text(
        f"SELECT EXISTS (SELECT FROM {table}_default WHERE {key} >= CAST(:first AS date)"
        f" AND {key} < CAST(:last AS date))"
    )
    if connection.scalar(rows_in_default, bounds):
        return False
    # ATTACH locks the parent less than CREATE … PARTITION OF, which would stop every reader.
    connection.execute(text(f"CREATE TABLE {name} (LIKE {table} INCLUDING ALL)"))
    connection.execute(
        text(
            f"ALTER TABLE {table} ATTACH PARTITION {name}"
            f" FOR VALUES FROM ('{bounds['first']} 00:00+00') TO ('{bounds['last']} 00:00+00')"
        )
    )
    return True
