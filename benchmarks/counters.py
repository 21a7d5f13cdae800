"""What PostgreSQL and Redis did between two looks, by their own counters."""

import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from redis import Redis
from sqlalchemy import text

from benchmarks.stand import Stand, System
from benchmarks.statements import statements_within

TOLD_AFTER_S = 10.5
"""A server process that falls idle tells its counts within ten seconds, a busy one every second."""

_SHOWN_FROM = 0.005
_ROWS = text("""
SELECT regexp_replace(relname, '_(default|[0-9]{8})$', '') AS name,
       sum(n_tup_ins) AS inserted, sum(n_tup_upd) AS updated, sum(n_tup_hot_upd) AS in_place,
       sum(n_tup_del) AS deleted
FROM pg_stat_user_tables GROUP BY 1
""")
_WAL = text("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")
_OWN_COMMAND = "cmdstat_info"


class Kind(StrEnum):
    """What is counted.

    `LEASES` are rows that senders write every second to say that they are alive. `IN_PLACE` are those of the
    rows that were updated without touching an index.
    """

    STATEMENTS = "statements"
    COMMITS = "commits"
    ROWS = "rows"
    LEASES = "rows of leases"
    IN_PLACE = "rows in place"
    WAL = "kB of WAL"
    REDIS = "Redis calls"
    POSTGRES_MS = "ms of PostgreSQL"


_LEASES = ("shard_lease", "sender")
Items = Mapping[tuple[Kind, str], float]


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What was done: so much of a kind, by what it was done with (a statement, a table, a command)."""

    seconds: float = 0
    items: Items = field(default_factory=dict)

    def total(self, kind: Kind) -> float:
        """Return the sum of one kind."""
        return sum(amount for (one, _), amount in self.items.items() if one is kind)

    def less(self, other: "Cost", times: float = 1) -> "Cost":
        """Return what is left without the other one, taken so many times."""
        return Cost(
            seconds=self.seconds - other.seconds * times,
            items={
                one: self.items.get(one, 0) - other.items.get(one, 0) * times
                for one in self.items.keys() | other.items.keys()
            },
        )

    def each(self, count: float) -> "Cost":
        """Return the cost of one of so many."""
        return Cost().less(self, -1 / count)

    def shown(self) -> dict[str, Any]:
        """Return all of it as JSON has it, the largest first."""
        largest = sorted(self.items.items(), key=lambda item: -item[1])
        return {
            kind: {
                "total": round(self.total(kind), 3),
                **{name: round(n, 3) for (one, name), n in largest if one is kind and abs(n) >= _SHOWN_FROM},
            }
            for kind in Kind
        }


@dataclass(frozen=True, kw_only=True)
class Mark:
    """One instant: how far the log has come, and what was counted since the servers began, but for rows."""

    at: float
    log_bytes: int
    items: Items


@dataclass(frozen=True, kw_only=True)
class Look:
    """The counters of rows, which come late; `before` and `after` are the instants around the waiting."""

    before: Mark
    rows: Items
    after: Mark


class Counters:
    """The counters of a system whose database logs every statement (`statements.LOGGED`)."""

    def __init__(self, stand: Stand, system: System) -> None:
        self._log = stand.postgres_log
        self._system = system

    def look(self) -> Look:
        """Return the counters, once everybody has told which rows were written until now."""
        before = self._mark()
        time.sleep(TOLD_AFTER_S)
        return Look(before=before, rows=self._rows(), after=self._mark())

    def between(self, first: Look, last: Look) -> Cost:
        """Return what was done after the first look and before the last one."""
        return self._cost(first, last, last.before)

    def idle(self, first: Look, last: Look) -> Cost:
        """Return what was done in the time that the last look itself took."""
        return self._cost(first, last, last.after)

    def _cost(self, first: Look, last: Look, end: Mark) -> Cost:
        start = first.after
        items: dict[tuple[Kind, str], float] = defaultdict(float)
        part = slice(start.log_bytes, end.log_bytes)
        for one in statements_within(self._log, part, database=self._system.name):
            items[Kind.STATEMENTS, f"{one.process}: {one.text}"] += one.executed
            items[Kind.COMMITS, one.process] += one.executed and one.text == "COMMIT"
            items[Kind.POSTGRES_MS, f"{one.process}: {one.text}"] += one.ms
        counted = Cost(items=end.items).less(Cost(items=start.items)).items
        rows = Cost(items=last.rows).less(Cost(items=first.rows)).items
        return Cost(seconds=end.at - start.at, items={**items, **counted, **rows})

    def _mark(self) -> Mark:
        items: dict[tuple[Kind, str], float] = {}
        with self._system.sessions.begin() as session:
            items[Kind.WAL, "all"] = float(session.scalar(_WAL) or 0) / 1000
        for name, calls in redis_calls(self._system).items():
            items[Kind.REDIS, name] = calls
        return Mark(at=time.monotonic(), log_bytes=self._log.stat().st_size, items=items)

    def _rows(self) -> Items:
        with self._system.sessions.begin() as session:
            rows = session.execute(_ROWS).all()
        items: dict[tuple[Kind, str], float] = {}
        for row in rows:
            kind = Kind.LEASES if row.name in _LEASES else Kind.ROWS
            items[kind, f"{row.name} inserted"] = float(row.inserted)
            items[kind, f"{row.name} updated"] = float(row.updated)
            items[kind, f"{row.name} deleted"] = float(row.deleted)
            items[Kind.IN_PLACE, row.name] = float(row.in_place)
        return items


def redis_calls(system: System) -> dict[str, float]:
    """Return how often each command was called since Redis began, but for the one that asks this."""
    with Redis.from_url(system.redis_url) as redis:
        commands: Any = redis.info("commandstats")
    return {
        name.removeprefix("cmdstat_"): float(stats["calls"])
        for name, stats in commands.items()
        if name != _OWN_COMMAND
    }
