"""API keys that were looked up a moment ago."""

import time
from collections.abc import Callable

from publisher.access import ApiKey, find_key
from publisher.database import Sessions

_REMEMBERED_S = 1.0
_MOST = 10_000


class KeyRing:
    """Looks keys up, each at most once a second; so a revoked key is void within a second.

    Used by the event loop and by threads: every step on the dictionary is atomic, and the worst that a
    race can do is one more look-up.
    """

    def __init__(self, sessions: Sessions, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._sessions = sessions
        self._clock = clock
        self._known: dict[str, tuple[float, ApiKey | None]] = {}

    def remembered(self, plain: str) -> tuple[ApiKey | None] | None:
        """Return what the last look-up has found, in a tuple, or None if that was too long ago."""
        found = self._known.get(plain)
        if found is None or self._clock() - found[0] > _REMEMBERED_S:
            return None
        return (found[1],)

    def look_up(self, plain: str) -> ApiKey | None:
        """Ask the database, and remember the answer: unknown keys too, since they are guessed in bursts."""
        asked_at = self._clock()
        with self._sessions.begin() as session:
            key = find_key(session, plain)
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[plain] = (asked_at, key)
        return key
