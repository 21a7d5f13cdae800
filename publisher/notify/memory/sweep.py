"""How far a sender has walked along what is due in each shard, when much of it cannot be sent now."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

WALK = 4_000
"""Deliveries that one look walks along in a shard, whether they can be sent or not."""


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """What a look walks along in a shard.

    Attributes:
        start: due then or later; None: from the beginning.
        walk: this many deliveries at most.
        recent: only what came due in these seconds, which nobody should have to wait for.
    """

    shard: int
    start: datetime | None = None
    walk: int = WALK
    recent: bool = False


class Sweep:
    """Remembers where to go on in shards that one look does not walk along to the end."""

    def __init__(self) -> None:
        """Begin everywhere at the beginning."""
        self._at: dict[int, Stretch] = {}

    @property
    def is_under_way(self) -> bool:
        """Whether some shard was not walked along to its end."""
        return bool(self._at)

    def stretches(self, shards: Collection[int]) -> list[Stretch]:
        """Return what to walk along next."""
        self._at = {shard: one for shard, one in self._at.items() if shard in shards}
        here = [self._at.get(shard, Stretch(shard=shard)) for shard in sorted(shards)]
        return here + [Stretch(shard=shard, recent=True) for shard in self._at]

    def walked(
        self, stretches: Collection[Stretch], *, reached: Mapping[int, datetime], cut: Collection[int]
    ) -> None:
        """Note how far a look came.

        Args:
            reached: when the last delivery was due, of shards with more to walk along.
            cut: shards that had more to send than was asked for: the next look begins where this one did.
        """
        for one in stretches:
            if one.recent or one.shard in cut:
                continue
            end = reached.get(one.shard)
            if end is None:
                self._at.pop(one.shard, None)
            # All due at the same instant: a longer look gets past it.
            elif end == one.start:
                self._at[one.shard] = Stretch(shard=one.shard, start=end, walk=2 * one.walk)
            else:
                self._at[one.shard] = Stretch(shard=one.shard, start=end)
