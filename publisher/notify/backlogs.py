"""Endpoints that have more due than they take at once."""

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from uuid import UUID

MOST = 5_000
"""So many are known by name; of more, what waits is met among everybody's."""

_LOOK_AGAIN_S = 0.5


class Backlogs:
    """Whose deliveries are looked for by their endpoint, not among all that is due.

    So a long line before one endpoint is not walked along again and again on the way to what others wait for.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Know no endpoint.

        Args:
            clock: seconds that never go back.
        """
        self._clock = clock
        # Not before this instant is anything looked for; who was looked at last comes last.
        self._not_before: dict[UUID, float] = {}

    @property
    def all(self) -> Collection[UUID]:
        """Every endpoint that has a backlog, whoever waited longest first."""
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
        self, endpoints: Collection[UUID], *, found: Collection[UUID], waits: Mapping[UUID, float]
    ) -> None:
        """Note what a look for what waits before these endpoints has brought.

        Args:
            found: those of them that have something due; the rest has no backlog any more.
            waits: in how many seconds the first of a line comes due that keeps its order.
        """
        now = self._clock()
        for endpoint in endpoints:
            known = self._not_before.pop(endpoint, None)
            if known is not None and (endpoint in found or endpoint in waits):
                # Not for too long: an operator may let it come due at once.
                self._not_before[endpoint] = now + min(waits.get(endpoint, 0.0), _LOOK_AGAIN_S)
