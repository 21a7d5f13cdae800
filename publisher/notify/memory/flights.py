"""Requests in flight: how many more there may be, and to whom."""

import time
from collections.abc import Callable, Collection
from uuid import UUID

from publisher.notify.claimed import Claimed
from publisher.notify.memory.room import Room
from publisher.notify.memory.slowness import Slowness

_SHARE_OF_SLOW = 4
# A look for more takes some milliseconds: fill a quarter of the slots with it, or wait a little.
_WORTHWHILE = 4


def most_in_flight(slots: int) -> int:
    """Return how many requests there are at most, when many endpoints turn slow at once."""
    return slots + slots // 2


class Flights:
    """Counts requests from their beginning to their end, and deals out slots.

    Slow endpoints get a quarter of the slots, all together. What they have beyond it, since it began before
    they were known, takes no slot, as long as there is less of it than half of the slots: so three quarters
    stay for the quick. A quarter that was full is dealt out again once half of it is free, so that looks
    for slow deliveries, which may stand before all others, are few.
    """

    def __init__(self, slots: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Have nothing in flight.

        Args:
            slots: requests in flight, but for what slow endpoints have beyond their quarter.
            clock: seconds that never go back.
        """
        self.count = 0
        self._slots = slots
        self._slots_of_slow = max(1, slots // _SHARE_OF_SLOW)
        self._slow_closed = False
        self._slowness = Slowness(clock=clock)
        self._full: set[UUID] = set()

    @property
    def has_room(self) -> bool:
        """Whether a look for more is worth it: enough slots are free, so that many are filled at once."""
        self._slowness.look()
        return self._free >= max(1, self._slots // _WORTHWHILE)

    def is_slow(self, endpoint: UUID) -> bool:
        """Return whether an endpoint answers slowly, as of the last look."""
        return endpoint in self._slowness

    def room(self, busy: Collection[UUID]) -> Room:
        """Return what may be claimed now: a copy, to be read in another thread.

        Args:
            busy: deliveries that are in hand.
        """
        slow = frozenset(self._slowness.look())
        left = self._left_for_slow()
        return Room(
            slots=self._free,
            busy=frozenset(busy),
            flying=dict(self._slowness.flying),
            full=list(self._full if left else self._full | slow),
            slow=slow,
            slots_of_slow=left,
        )

    def refuse(self, endpoints: Collection[UUID]) -> None:
        """Note which endpoints take no more, until one of their requests ends."""
        self._full |= {one for one in endpoints if one in self._slowness.flying}

    def begin(self, claimed: Claimed) -> None:
        """Note that a request is about to begin."""
        self.count += 1
        flying = self._slowness.begin(claimed.id, claimed.endpoint_id)
        if flying >= claimed.max_in_flight:
            self._full.add(claimed.endpoint_id)

    def end(self, claimed: Claimed) -> bool:
        """Note that a request has ended; return whether somebody who was refused until now may take more."""
        endpoint, was_closed = claimed.endpoint_id, self._slow_closed
        self.count -= 1
        self._slowness.end(claimed.id, endpoint)
        was_full = bool(self._full) and endpoint in self._full
        if was_full:
            self._full.remove(endpoint)
        open_again = was_closed and self._left_for_slow() > 0
        return open_again or (was_full and not (self._slow_closed and endpoint in self._slowness))

    @property
    def _free(self) -> int:
        slow = self._slowness.count
        taken = self.count - slow + min(slow, self._slots_of_slow)
        return max(0, min(self._slots - taken, most_in_flight(self._slots) - self.count))

    def _left_for_slow(self) -> int:
        left = self._slots_of_slow - self._slowness.count
        if left <= 0:
            self._slow_closed = True
        elif 2 * left >= self._slots_of_slow:
            self._slow_closed = False
        return 0 if self._slow_closed else left
