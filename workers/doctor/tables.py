"""Checks of the tables: schema, room, cleaning of the busy ones, and days that have their partitions."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from publisher.migrations import Standing, schema_of
from publisher.partitions import PARTITIONED, Partition, partitions
from workers.doctor.finding import Finding, ok, problem, warning
from workers.doctor.machine import size

HOT = ("article", "delivery", "event_task", "feed", "sender", "shard_lease")
_FEW_DEAD = 20_000
_DAYS_AHEAD = 2
_LARGE_BYTES = 100_000_000
_SIZE = text("SELECT pg_database_size(current_database())")
_DEAD = text("""
SELECT relname, n_live_tup, n_dead_tup, last_autovacuum FROM pg_stat_user_tables
WHERE relname = ANY(:tables) AND schemaname = current_schema() ORDER BY n_dead_tup DESC
""")
_AUTOVACUUM = text("SELECT current_setting('autovacuum') = 'on' AND current_setting('track_counts') = 'on'")
_DEFAULTS = text("""
SELECT relname, pg_total_relation_size(oid) AS bytes, pg_relation_size(oid) AS rows_bytes FROM pg_class
WHERE relname = ANY(:names) AND relnamespace = current_schema()::regnamespace ORDER BY bytes DESC
""")


def check_schema(connection: Connection) -> Iterator[Finding]:
    """See whether the database has this version's tables."""
    schema = schema_of(connection)
    if schema.standing is Standing.CURRENT:
        yield ok("schema", f"at migration {schema.found}")
    else:
        found, _, action = str(schema).partition("; ")
        yield problem("schema", found, action)


def check_size(connection: Connection) -> Iterator[Finding]:
    """Tell how large the database is."""
    yield ok("database", f"takes {size(connection.execute(_SIZE).scalar_one())}")


def check_cleaning(connection: Connection) -> Iterator[Finding]:
    """See whether the busy tables are cleaned."""
    if not connection.execute(_AUTOVACUUM).scalar_one():
        yield problem(
            "cleaning",
            "autovacuum or track_counts is off",
            "switch both on: busy tables get slow within minutes",
        )
        return
    rows = connection.execute(_DEAD, {"tables": list(HOT)}).all()
    dirty = [row for row in rows if row.n_dead_tup > _FEW_DEAD + row.n_live_tup]
    for row in dirty:
        last = f"{row.last_autovacuum:%Y-%m-%dT%H:%M:%SZ}" if row.last_autovacuum else "never"
        yield warning(
            "cleaning",
            f"{row.relname} has {row.n_dead_tup:,} dead rows beside {row.n_live_tup:,}, last cleaned {last}",
            "end transactions that stay open; set autovacuum_naptime to 5s; `VACUUM " + row.relname + "`",
        )
    if not dirty:
        most = max((row.n_dead_tup for row in rows), default=0)
        yield ok("cleaning", f"the busy tables have {most:,} dead rows at most")


def check_days(connection: Connection, *, at: datetime) -> Iterator[Finding]:
    """See whether the coming days have their partitions, and what lies outside of any."""
    there = {(one.table, one.day) for one in partitions(connection) if one.attached}
    coming = [at.date() + timedelta(days=ahead) for ahead in range(1, _DAYS_AHEAD + 1)]
    missing = [
        Partition(table=table, day=day).name
        for day in coming
        for table in PARTITIONED
        if (table, day) not in there
    ]
    if missing:
        yield warning(
            "partitions", f"missing: {', '.join(missing)}", "see that a worker runs: housekeeping makes them"
        )
    else:
        yield ok("partitions", f"every table has those of the next {_DAYS_AHEAD} days")
    yield from _defaults(connection)


def _defaults(connection: Connection) -> Iterator[Finding]:
    names = [f"{table}_default" for table in PARTITIONED]
    rows = connection.execute(_DEFAULTS, {"names": names}).all()
    large = [row for row in rows if row.bytes > _LARGE_BYTES]
    for row in large:
        yield warning(
            "default partitions",
            f"{row.relname} holds {size(row.bytes)} of days without a partition",
            "see that housekeeping runs every hour; what is old goes row by row (`publisher prune`)",
        )
    if not large:
        filled = ", ".join(row.relname for row in rows if row.rows_bytes) or "none"
        yield ok("default partitions", f"holding rows: {filled}; they go when they are old")
