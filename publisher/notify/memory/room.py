"""What a sender can take at the moment: a copy of its memory, for another thread to read."""

from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass, field
from uuid import UUID

from publisher.notify.memory.sweep import Stretch


@dataclass(frozen=True, kw_only=True)
class Room:
    """What a sender can take.

    Attributes:
        slots: requests that it can begin.
        busy: deliveries in its memory: in flight, or not recorded yet.
        flying: requests in flight, by endpoint.
        full: endpoints that take no more at the moment.
        backlogged: endpoints that had more due than they take; what waits for them is looked for by their
            ids, and only for those that are not full.
        tokens: requests that endpoints with a rate may be sent now, as far as that is known.
        slow: endpoints that answer slowly.
        slots_of_slow: how many of the requests may go to those.
        stretches: what to walk along; none: every shard of ours, from its beginning.
        at: when this was so, on the monotonic clock.
    """

    slots: int
    busy: Set[UUID] = frozenset()
    flying: Mapping[UUID, int] = field(default_factory=dict)
    full: Collection[UUID] = ()
    backlogged: Collection[UUID] = ()
    tokens: Mapping[UUID, float] = field(default_factory=dict)
    slow: Collection[UUID] = frozenset()
    slots_of_slow: int = 0
    stretches: Sequence[Stretch] = ()
    at: float = 0.0
