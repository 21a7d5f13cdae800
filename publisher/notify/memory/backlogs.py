"""Endpoints that have more due than they take at once."""

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from uuid import UUID

MOST = 5_000
"""So many are known by name; of more, what waits is met among everybody's."""

_LOOK_AGAIN_S = 0.5


class Backlogs:
    """Whose deliveries are looked for by their endpoint, not among all that is due: in turns.

    So a long line before one endpoint is not walked along again and again on the way to what others wait for.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Know no endpoint.

        Args:
            clock: seconds that never go back.
        """
        self._clock = clock
        # Not before this instant is anything looked for; who was served last comes last.
        self._not_before: dict[UUID, float] = {}

    @property
    def all(self) -> Collection[UUID]:
        """Every endpoint that has a backlog, whoever was served longest ago first."""
        return list(self._not_before)

    @property
    def resting(self) -> Collection[UUID]:
        """Those for which nothing is looked for now."""
        now = self._clock()
        return [one for one, not_before in self._not_before.items() if not_before > now]

    def add(self, endpoints: Iterable[UUID]) -> None:
        """Note that endpoints have more due than they take."""
        for endpoint in endpoints:
            if len(self._not_before) < MOST:
                self._not_before.setdefault(endpoint, 0.0)

    def looked(
        self,
        endpoints: Collection[UUID],
        *,
        found: Collection[UUID],
        served: Collection[UUID],
        waits: Mapping[UUID, float],
    ) -> None:
        """Note what a look for what waits before these endpoints has brought.

        Args:
            found: those of them that have something due; the rest has no backlog any more.
            served: those that something is sent to.
            waits: in how many seconds the first of a line comes due that keeps its order.
        """
        now = self._clock()
        for endpoint in endpoints:
            if endpoint not in self._not_before:
                continue
            if endpoint not in found:
                del self._not_before[endpoint]
                continue
            if endpoint in served or endpoint in waits:
                del self._not_before[endpoint]
            # Not for too long: an operator may let it come due at once.
            self._not_before[endpoint] = now + min(waits.get(endpoint, 0.0), _LOOK_AGAIN_S)
