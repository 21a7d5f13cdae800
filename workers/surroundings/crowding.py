"""Whether PostgreSQL has room for all connections that the processes may open."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, text

from workers.connections import POOLS, Kind
from workers.surroundings.concern import Concern

_OURS = f"^publisher ({'|'.join(Kind)}) [0-9]+$"
# A process may hold its whole pool, whatever it holds now.
_PROCESSES = text("""
SELECT split_part(application_name, ' ', 2) AS kind,
    count(DISTINCT (application_name, client_addr)) AS processes
FROM pg_stat_activity
WHERE application_name ~ :ours AND application_name NOT LIKE :ourselves
GROUP BY 1
""")
_OTHERS = text("""
SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND application_name !~ :ours
""")
# `reserved_connections` is new in PostgreSQL 16.
_LIMITS = text("""
SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
    - coalesce(current_setting('reserved_connections', true), '0')::int
""")


@dataclass(frozen=True, kw_only=True)
class Crowd:
    """Who may connect, and how many can.

    Attributes:
        processes: how many of each kind there are, those that are about to start included.
        others: connections of other programs.
        room: connections that the server has for all of them.
    """

    processes: Mapping[Kind, int]
    others: int
    room: int

    @property
    def wanted(self) -> int:
        """Connections when every process holds its whole pool."""
        return self.others + sum(POOLS[kind] * count for kind, count in self.processes.items())

    def as_concern(self) -> Concern | None:
        """Return what is to be said about it, or None if there is room for all."""
        if self.wanted <= self.room:
            return None
        shown = ", ".join(f"{count} {kind} × {POOLS[kind]}" for kind, count in sorted(self.processes.items()))
        return Concern(
            event="connections.too_many",
            found=f"the processes may open {self.wanted} connections ({shown}, {self.others} of others), and"
            f" PostgreSQL has room for {self.room}",
            advice=f"set max_connections to {self.wanted + 10} or more, or run fewer processes",
        )


def crowd(connection: Connection, *, joining: Mapping[Kind, int], pid: int) -> Crowd:
    """Return who is connected or about to be.

    Args:
        joining: processes that are about to start, by kind; what this one holds now does not count.
        pid: of this process.
    """
    processes = Counter(joining)
    for row in connection.execute(_PROCESSES, {"ours": _OURS, "ourselves": f"publisher % {pid}"}):
        processes[Kind(row.kind)] += row.processes
    return Crowd(
        processes=processes,
        others=connection.execute(_OTHERS, {"ours": _OURS}).scalar_one(),
        room=connection.execute(_LIMITS).scalar_one(),
    )
