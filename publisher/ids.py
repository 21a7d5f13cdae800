"""Identifiers: time-ordered UUIDs, and the `tag:` URI that an article carries everywhere."""

import os
import threading
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICKS_PER_MS = 4096
_LONGEST_STEP_BACK = 1_000 * _TICKS_PER_MS


class _Ticks:
    """The clock in 4,096ths of a millisecond: each call of a process gets more than the one before.

    Unless the clock was set back by more than a second: then it is followed.
    """

    def __init__(self) -> None:
        self._last = 0
        self.renew_lock()
        # A thread of the parent may hold it while another one forks.
        os.register_at_fork(after_in_child=self.renew_lock)

    def renew_lock(self) -> None:
        self._lock = threading.Lock()

    def next(self) -> int:
        now = time.time_ns() * _TICKS_PER_MS // 1_000_000
        with self._lock:
            is_set_back = self._last - now > _LONGEST_STEP_BACK
            self._last = now if is_set_back else max(now, self._last + 1)
            return self._last


_ticks = _Ticks()


def new_id() -> UUID:
    """Return a UUID of version 7: sorts by when it was made; those of one process in their exact order.

    Source: RFC 9562, section 5.7, and section 6.2, method 3. The random part comes from the system on every
    call, so a forked process never repeats its parent.
    """
    milliseconds, fraction = divmod(_ticks.next(), _TICKS_PER_MS)
    rest = int.from_bytes(os.urandom(8), "big") & ~(0x3 << 62)
    return UUID(int=(milliseconds << 80) | (0x7 << 76) | (fraction << 64) | (0x2 << 62) | rest)


def made_at(identifier: UUID) -> datetime:
    """Return the instant, to the millisecond, at which `new_id` made this identifier."""
    return datetime.fromtimestamp((identifier.int >> 80) / 1000, tz=UTC)


def first_id_of(instant: datetime) -> UUID:
    """Return the smallest identifier that `new_id` can make in the millisecond of this instant.

    Before 1970 none was made: it is that of 1970 then.
    """
    milliseconds = max(0, (instant - _EPOCH) // timedelta(milliseconds=1))
    return UUID(int=(milliseconds << 80) | (0x7 << 76) | (0x2 << 62))


def article_uri(identifier: UUID, tag_domain: str) -> str:
    """Return the article's permanent id, `tag:<domain>,<UTC date of its making>:article/<uuid>`.

    Source: RFC 4151. It is stored once and never computed again, so that a changed domain changes
    new articles only.
    """
    return f"tag:{tag_domain},{made_at(identifier):%Y-%m-%d}:article/{identifier}"
