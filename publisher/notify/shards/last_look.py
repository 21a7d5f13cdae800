"""When a look is over that was under way when something was stopped: from then on, nothing of it begins."""

from datetime import datetime

from sqlalchemy import func, select

from publisher.database import Sessions
from publisher.schema import ShardLeaseRow

PAUSE_S = 0.05
"""How long to wait before asking again."""


class LastLook:
    """The last look at a shard that may find what the next one does not: made when that is committed.

    A sender's looks and beats take turns, and every beat renews its leases in the record (`Pump`): once a
    lease has changed, all that was found before has begun, and every later look finds what is committed by
    now. Who does not beat, stopped or dead, begins nothing once its lease is over (`Lease.holds`), so no look
    lasts longer than a lease.
    """

    def __init__(self, sessions: Sessions, shard: int) -> None:
        """Ask nothing yet."""
        self._sessions = sessions
        self._shard = shard
        self._until: datetime | None = None

    def is_over(self) -> bool:
        """Return whether nothing begins any more that was found before this was asked for the first time."""
        until = self._held_until()
        self._until = self._until or until
        return until is None or until != self._until

    def _held_until(self) -> datetime | None:
        lease = select(ShardLeaseRow.until).where(
            ShardLeaseRow.shard == self._shard, ShardLeaseRow.until > func.now()
        )
        with self._sessions.begin() as session:
            return session.scalar(lease)
