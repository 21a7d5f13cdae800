"""Circuit breakers: an endpoint that does nothing but fail is left alone, and asked now and then.

While a circuit is open nothing is tried, so no attempt of what waits is used up. When it has been open for
long enough, one request at a time goes: it closes the circuit, or opens it for twice as long.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

from publisher.notify.claimed import Claimed
from publisher.notify.outcome import GONE, Answer

WINDOW_S = 300.0
"""Requests of so long are looked at."""

LEAST_REQUESTS, WORST_SHARE = 10, 0.7
"""A circuit opens when so many requests have ended, and at least this share of them failed."""

UNANSWERED = 5
"""It opens, too, when so many requests in a row brought no answer at all."""

FIRST_S, LONGEST_S = 30.0, 3600.0
"""How long it is open the first time, and at most."""

# What had begun when a circuit opened has ended by then: it says nothing new.
_LATE_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Circuit:
    """What becomes of an endpoint's circuit.

    Attributes:
        breaks: how often it opened without closing in between; 0: it closes.
        open_s: for how long from now on.
    """

    breaks: int = 0
    open_s: float = 0.0


@dataclass(kw_only=True, slots=True)
class _Window:
    """What ended lately, in two halves, of which the older one is forgotten as a whole."""

    began: float
    requests: list[int] = field(default_factory=lambda: [0, 0])
    failures: list[int] = field(default_factory=lambda: [0, 0])
    unanswered: int = 0

    def move(self, now: float) -> None:
        while now - self.began >= WINDOW_S / 2:
            self.began += WINDOW_S / 2
            self.requests = [0, self.requests[0]]
            self.failures = [0, self.failures[0]]
            if not any(self.requests):
                self.began = now

    def add(self, *, failed: bool, answered: bool) -> None:
        self.requests[0] += 1
        self.failures[0] += failed
        self.unanswered = 0 if answered else self.unanswered + 1

    @property
    def is_bad(self) -> bool:
        requests, failures = sum(self.requests), sum(self.failures)
        many = requests >= LEAST_REQUESTS and failures >= WORST_SHARE * requests
        return many or self.unanswered >= UNANSWERED


class Circuits:
    """The circuits of endpoints that have failed lately."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Know no endpoint.

        Args:
            clock: seconds that never go back.
        """
        self._clock = clock
        self._windows: dict[UUID, _Window] = {}
        self._late_until: dict[UUID, float] = {}

    def __contains__(self, endpoint: UUID) -> bool:
        """Return whether an endpoint has failed lately."""
        # Most have not, and to look for a UUID takes a call of Python.
        has_any = bool(self._windows or self._late_until)
        return has_any and (endpoint in self._windows or endpoint in self._late_until)

    def forget_old(self) -> None:
        """Let go of endpoints that have not failed for as long as we look back."""
        now = self._clock()
        for window in self._windows.values():
            window.move(now)
        self._windows = {one: window for one, window in self._windows.items() if any(window.failures)}
        self._late_until = {one: until for one, until in self._late_until.items() if until > now}

    def ended(self, claimed: Claimed, answer: Answer, *, says_what_it_wants: bool = False) -> Circuit | None:
        """Note what came of a request; return what becomes of the circuit, or None if it stays as it is.

        Whoever says what it wants (that it is gone, how long to wait, nothing of this message) is not broken.

        Args:
            says_what_it_wants: the answer held a wish that we keep.
        """
        now, endpoint = self._clock(), claimed.endpoint_id
        is_watched = bool(self._windows) and endpoint in self._windows
        if answer.succeeded and not claimed.breaks and not is_watched:
            return None
        is_late = not claimed.breaks and self._late_until.get(endpoint, now) > now
        if answer.status == GONE or is_late:
            return None
        failed = not answer.succeeded
        if says_what_it_wants:
            return None
        if claimed.breaks:
            self._windows.pop(endpoint, None)
            return self._break(endpoint, claimed.breaks + 1, now) if failed else Circuit()
        window = self._windows.setdefault(endpoint, _Window(began=now))
        window.move(now)
        window.add(failed=failed, answered=answer.status is not None)
        return self._break(endpoint, 1, now) if window.is_bad else None

    def _break(self, endpoint: UUID, breaks: int, now: float) -> Circuit:
        self._windows.pop(endpoint, None)
        open_s = min(LONGEST_S, FIRST_S * 2 ** min(breaks - 1, 10))
        self._late_until[endpoint] = now + _LATE_S
        return Circuit(breaks=breaks, open_s=open_s)
