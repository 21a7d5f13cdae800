"""What about PostgreSQL is not as it should be: its clock, and transactions that stay open."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, text

from publisher.database import Sessions
from workers.surroundings.concern import Concern, clock_concern, warn_of

LONG = timedelta(minutes=1)
_LOOK_EVERY_S = 60.0
_CLOCK = text("SELECT clock_timestamp()")
# What keeps the busy tables from being cleaned.
_OPEN = text("""
SELECT pid::text AS who, coalesce(nullif(application_name, ''), backend_type) AS name, usename AS owner,
    xact_start AS since, state
FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
    AND xact_start < clock_timestamp() - :long
UNION ALL
SELECT gid, 'a prepared transaction', owner, prepared, 'prepared'
FROM pg_prepared_xacts
WHERE database = current_database() AND prepared < clock_timestamp() - :long
ORDER BY since
LIMIT 10
""")


@dataclass(frozen=True, kw_only=True)
class OpenTransaction:
    """A transaction that has been open for long.

    Attributes:
        who: the process id of its connection, or the name that it was prepared under.
        name: of the program.
        owner: the user of PostgreSQL.
        state: as pg_stat_activity tells it.
    """

    who: str
    name: str
    owner: str
    since: datetime
    state: str

    def as_concern(self) -> Concern:
        """Return what is to be said about it."""
        ends = (
            f"ROLLBACK PREPARED '{self.who}'"
            if self.state == "prepared"
            else f"SELECT pg_terminate_backend({self.who})"
        )
        return Concern(
            event="transaction.old",
            found=f"{self.name} ({self.who}, user {self.owner}, {self.state}) has had a transaction open"
            f" since {self.since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
            advice=f"end it: no busy table is cleaned meanwhile; {ends}",
        )


def long_transactions(connection: Connection, *, longer_than: timedelta = LONG) -> Sequence[OpenTransaction]:
    """Return the transactions that have been open for long, the oldest first, ten at most.

    A user without pg_monitor sees its own only.
    """
    rows = connection.execute(_OPEN, {"long": longer_than}).mappings()
    return [OpenTransaction(**row) for row in rows]


class LongTransactions:
    """Looks for them once a minute, and warns of each once."""

    def __init__(self, *, longer_than: timedelta = LONG) -> None:
        self._longer_than = longer_than
        self._look_at = 0.0
        self._told: set[tuple[str, datetime]] = set()

    def look(self, sessions: Sessions, *, now: float) -> None:
        """Look, if the last time was a minute ago.

        Args:
            now: seconds of a clock that never goes back.
        """
        if now < self._look_at:
            return
        self._look_at = now + _LOOK_EVERY_S
        with sessions() as session:
            old = long_transactions(session.connection(), longer_than=self._longer_than)
        found = {(one.who, one.since): one for one in old}
        warn_of(one.as_concern() for key, one in found.items() if key not in self._told)
        self._told = set(found)


def database_clock(connection: Connection) -> Concern | None:
    """Return what is to be said about PostgreSQL's clock."""
    asked = datetime.now(UTC)
    theirs = connection.execute(_CLOCK).scalar_one()
    return clock_concern("PostgreSQL", theirs, asked=asked, answered=datetime.now(UTC))
