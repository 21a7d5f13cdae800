"""Requests in flight, and which endpoints answer slowly: those leave room for the others."""

import time
from collections import Counter
from collections.abc import Callable, Collection
from uuid import UUID

from publisher.notify.claim import Claimed, Room

QUICK_S = 1.0
"""An endpoint whose answers take longer is slow."""

_SHARE_OF_SLOW = 4
# A look for more takes some milliseconds: fill a quarter of the slots with it, or wait a little.
_WORTHWHILE = 4


def most_in_flight(slots: int) -> int:
    """Return how many requests there are at most, when many endpoints turn slow at once."""
    return slots + slots // 2


class Flights:
    """Counts requests from their beginning to their end.

    An endpoint turns slow as soon as a request has taken `QUICK_S`, and quick again with the first that takes
    less, unless one flies that takes longer. All slow ones together get a quarter of the slots. What they
    have beyond it, since it began before they were known, takes no slot: three quarters stay for the quick.
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
        self._clock = clock
        self._by_endpoint: Counter[UUID] = Counter()
        self._full: set[UUID] = set()
        # By delivery, the oldest first: when it began, and where it goes.
        self._young: dict[UUID, tuple[float, UUID]] = {}
        self._aged: Counter[UUID] = Counter()
        self._slow: set[UUID] = set()
        self._count_of_slow = 0

    @property
    def has_room(self) -> bool:
        """Whether a look for more is worth it: enough slots are free, so that many are filled at once."""
        self._age()
        return self._free >= max(1, self._slots // _WORTHWHILE)

    def room(self, busy: Collection[UUID]) -> Room:
        """Return what may be claimed now: a copy, to be read in another thread.

        Args:
            busy: deliveries that are in hand.
        """
        self._age()
        left = self._slots_of_slow - self._count_of_slow
        return Room(
            slots=self._free,
            busy=list(busy),
            flying=dict(self._by_endpoint),
            full=list(self._full if left > 0 else self._full | self._slow),
            slow=frozenset(self._slow),
            slots_of_slow=max(0, left),
        )

    def begin(self, claimed: Claimed) -> None:
        """Note that a request is about to begin."""
        endpoint = claimed.endpoint_id
        self.count += 1
        self._by_endpoint[endpoint] += 1
        self._count_of_slow += endpoint in self._slow
        self._young[claimed.id] = (self._clock(), endpoint)
        if self._by_endpoint[endpoint] >= claimed.max_in_flight:
            self._full.add(endpoint)

    def end(self, claimed: Claimed) -> bool:
        """Note that a request has ended; return whether its endpoint, refused until now, takes one more."""
        self._age()
        endpoint = claimed.endpoint_id
        refused = endpoint in self._full or (
            endpoint in self._slow and self._count_of_slow >= self._slots_of_slow
        )
        self.count -= 1
        self._take_one(self._by_endpoint, endpoint)
        self._full.discard(endpoint)
        self._count_of_slow -= endpoint in self._slow
        if self._young.pop(claimed.id, None) is None:
            self._take_one(self._aged, endpoint)
        elif endpoint in self._slow and not self._aged[endpoint]:
            self._slow.remove(endpoint)
            self._count_of_slow -= self._by_endpoint[endpoint]
        return refused

    @property
    def _free(self) -> int:
        quick = self.count - self._count_of_slow
        taken = quick + min(self._count_of_slow, self._slots_of_slow)
        return max(0, min(self._slots - taken, most_in_flight(self._slots) - self.count))

    def _age(self) -> None:
        """Note which endpoints have turned slow."""
        latest = self._clock() - QUICK_S
        while self._young:
            delivery, (began, endpoint) = next(iter(self._young.items()))
            if began > latest:
                return
            del self._young[delivery]
            self._aged[endpoint] += 1
            if endpoint not in self._slow:
                self._slow.add(endpoint)
                self._count_of_slow += self._by_endpoint[endpoint]

    @staticmethod
    def _take_one(counter: Counter[UUID], endpoint: UUID) -> None:
        counter[endpoint] -= 1
        if not counter[endpoint]:
            del counter[endpoint]
