"""Which endpoints answer slowly: told from the requests that fly, and from the last answers."""

import time
from collections import Counter
from collections.abc import Callable, Collection
from uuid import UUID

QUICK_S = 1.0
"""An answer that takes longer is a slow one."""
FORGET_S = 60.0
"""A slow endpoint without a request for so long is as good as unknown."""


class Slowness:
    """Watches requests from their beginning to their end.

    An endpoint is slow as soon as a request has taken `QUICK_S`, until one takes less while none flies that
    takes longer, or until nothing was sent to it for a minute.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Know no endpoint.

        Args:
            clock: seconds that never go back.
        """
        self.count = 0
        """Requests that fly to slow endpoints."""
        self._clock = clock
        self._flying: Counter[UUID] = Counter()
        self._aged: Counter[UUID] = Counter()
        # By request, the oldest first: when it began, and where it goes.
        self._young: dict[UUID, tuple[float, UUID]] = {}
        # When a request to it began or ended last; those of long ago first.
        self._slow: dict[UUID, float] = {}

    def __contains__(self, endpoint: UUID) -> bool:
        """Return whether an endpoint is slow, as of the last look."""
        return endpoint in self._slow

    def look(self) -> Collection[UUID]:
        """Return the endpoints that are slow now."""
        now = self._clock()
        self._age(now)
        while self._slow:
            endpoint, touched = next(iter(self._slow.items()))
            if touched > now - FORGET_S:
                break
            del self._slow[endpoint]
            if self._flying[endpoint]:
                self._slow[endpoint] = now
        return self._slow.keys()

    def begin(self, request: UUID, endpoint: UUID) -> None:
        """Note that a request is about to begin."""
        now = self._clock()
        self._young[request] = (now, endpoint)
        self._flying[endpoint] += 1
        if endpoint in self._slow:
            self.count += 1
            self._touch(endpoint, now)

    def end(self, request: UUID, endpoint: UUID) -> None:
        """Note that a request has ended."""
        now = self._clock()
        self._age(now)
        _take_one(self._flying, endpoint)
        if endpoint not in self._slow:
            del self._young[request]
            return
        self.count -= 1
        self._touch(endpoint, now)
        if self._young.pop(request, None) is None:
            _take_one(self._aged, endpoint)
        elif not self._aged[endpoint]:
            del self._slow[endpoint]
            self.count -= self._flying[endpoint]

    def _touch(self, endpoint: UUID, now: float) -> None:
        del self._slow[endpoint]
        self._slow[endpoint] = now

    def _age(self, now: float) -> None:
        while self._young:
            request, (began, endpoint) = next(iter(self._young.items()))
            if began > now - QUICK_S:
                return
            del self._young[request]
            self._aged[endpoint] += 1
            if endpoint not in self._slow:
                self._slow[endpoint] = now
                self.count += self._flying[endpoint]


def _take_one(counter: Counter[UUID], endpoint: UUID) -> None:
    counter[endpoint] -= 1
    if not counter[endpoint]:
        del counter[endpoint]
