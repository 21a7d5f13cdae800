"""Which endpoints answer slowly: told from the requests that fly, and from the last answers."""

import time
from collections.abc import Callable, Collection, Mapping
from uuid import UUID

QUICK_S = 1.0
"""An answer that takes longer is a slow one."""
FORGET_S = 60.0
"""A slow endpoint without a request for so long is as good as unknown."""


class Slowness:
    """Watches requests from their beginning to their end.

    An endpoint is slow as soon as a request has taken `QUICK_S`, until one takes less while none flies that
    takes longer, or until nothing was sent to it for a minute.

    Most endpoints are quick, and to look for a UUID in a dictionary takes a call of Python: so it is asked
    first whether there is anything to be found at all.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Know no endpoint.

        Args:
            clock: seconds that never go back.
        """
        self.count = 0
        """Requests that fly to slow endpoints."""
        self._clock = clock
        self._flying: dict[UUID, int] = {}
        self._aged: dict[UUID, int] = {}
        # By request, the oldest first: when it began, and where it goes.
        self._young: dict[UUID, tuple[float, UUID]] = {}
        # When a request to it began or ended last; those of long ago first.
        self._slow: dict[UUID, float] = {}

    def __contains__(self, endpoint: UUID) -> bool:
        """Return whether an endpoint is slow, as of the last look."""
        return bool(self._slow) and endpoint in self._slow

    @property
    def flying(self) -> Mapping[UUID, int]:
        """Requests in flight, by endpoint; those of whom there is none are left out."""
        return self._flying

    def look(self) -> Collection[UUID]:
        """Return the endpoints that are slow now."""
        now = self._clock()
        self._age(now)
        while self._slow:
            endpoint, touched = next(iter(self._slow.items()))
            if touched > now - FORGET_S:
                break
            del self._slow[endpoint]
            if endpoint in self._flying:
                self._slow[endpoint] = now
        return self._slow.keys()

    def begin(self, request: UUID, endpoint: UUID) -> int:
        """Note that a request is about to begin; return how many fly to its endpoint by now."""
        now = self._clock()
        self._young[request] = (now, endpoint)
        self._flying[endpoint] = flying = self._flying.get(endpoint, 0) + 1
        if endpoint in self:
            self.count += 1
            self._touch(endpoint, now)
        return flying

    def end(self, request: UUID, endpoint: UUID) -> None:
        """Note that a request has ended."""
        now = self._clock()
        self._age(now)
        flying = _one_less(self._flying, endpoint)
        if endpoint not in self:
            del self._young[request]
            return
        self.count -= 1
        self._touch(endpoint, now)
        if self._young.pop(request, None) is None:
            _one_less(self._aged, endpoint)
        elif endpoint not in self._aged:
            del self._slow[endpoint]
            self.count -= flying

    def _touch(self, endpoint: UUID, now: float) -> None:
        del self._slow[endpoint]
        self._slow[endpoint] = now

    def _age(self, now: float) -> None:
        while self._young:
            request, (began, endpoint) = next(iter(self._young.items()))
            if began > now - QUICK_S:
                return
            del self._young[request]
            self._aged[endpoint] = self._aged.get(endpoint, 0) + 1
            if endpoint not in self._slow:
                self._slow[endpoint] = now
                self.count += self._flying[endpoint]


def _one_less(counts: dict[UUID, int], endpoint: UUID) -> int:
    left = counts.pop(endpoint) - 1
    if left:
        counts[endpoint] = left
    return left
