"""Who keeps, gives back and takes which shards, so that all senders soon hold as many."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import ceil
from uuid import UUID

from publisher.notify.endpoints.store import SHARDS


@dataclass(frozen=True, kw_only=True)
class Seat:
    """A shard as it stands in the record.

    Attributes:
        free: nobody holds it, or the lease ran out.
    """

    shard: int
    holder: UUID | None
    free: bool


@dataclass(frozen=True, kw_only=True)
class Share:
    """What a sender does about its shards.

    Attributes:
        keep: renewed; `drain` is part of it.
        drain: one too many and still at work: nothing more of it is claimed.
        give_back: one too many and idle.
        take: how many of the free ones.
    """

    keep: frozenset[int]
    drain: frozenset[int]
    give_back: frozenset[int]
    take: int


def share_out(seats: Sequence[Seat], *, me: UUID, alive: int, busy: Collection[int]) -> Share:
    """Decide which shards a sender keeps, gives back and takes, so that all of them soon hold as many.

    Args:
        alive: senders that beat lately, this one included; 1 or more.
        busy: shards with work in flight, or with outcomes that are not recorded yet.
    """
    mine = [seat.shard for seat in seats if seat.holder == me]
    fair = ceil(SHARDS / alive)
    # Idle ones go first: they can go at once.
    surplus = sorted(mine, key=lambda shard: (shard in busy, shard))[: max(0, len(mine) - fair)]
    give_back = frozenset(surplus) - frozenset(busy)
    free = sum(seat.free and seat.holder != me for seat in seats)
    return Share(
        keep=frozenset(mine) - give_back,
        drain=frozenset(surplus) - give_back,
        give_back=give_back,
        take=min(free, max(0, fair - len(mine))),
    )
