"""The shards that a sender has, as it knows them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

_MARGIN_S = 0.5


@dataclass(frozen=True, kw_only=True)
class Lease:
    """That a shard is ours.

    Attributes:
        token: every flush shows it; the next holder gets a higher one.
        ends_at: on our own monotonic clock, read before the database was asked: never later than there.
        since: when it became ours, on the same clock.
    """

    token: int
    ends_at: float
    since: float = 0.0

    def holds(self, at: float) -> bool:
        """Return whether something may be sent now: `at` is on the monotonic clock."""
        return at < self.ends_at - _MARGIN_S


@dataclass(frozen=True, kw_only=True)
class Holdings:
    """The shards that a sender has, by number; `draining` ones are finished, not claimed from."""

    leases: Mapping[int, Lease]
    draining: frozenset[int]

    @property
    def claimable(self) -> dict[int, Lease]:
        """The leases under which new work may be taken."""
        return self.claimable_with(())

    def claimable_with(self, held_up: Collection[int]) -> dict[int, Lease]:
        """Return the leases under which new work may be taken.

        Args:
            held_up: draining shards that will not be idle soon.
        """
        closed = self.draining - frozenset(held_up)
        return {shard: lease for shard, lease in self.leases.items() if shard not in closed}


NOTHING = Holdings(leases={}, draining=frozenset())
