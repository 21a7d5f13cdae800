"""Wait for an effect, not for a time."""

import time
from collections.abc import Callable
from typing import TypeVar

Seen = TypeVar("Seen")


def eventually(look: Callable[[], Seen], *, within_s: float = 10.0, every_s: float = 0.02) -> Seen:
    """Return what `look` returns as soon as it is true.

    Raises:
        AssertionError: when the time is over; it shows what was seen last.
    """
    deadline = time.monotonic() + within_s
    while True:
        seen = look()
        if seen:
            return seen
        assert time.monotonic() < deadline, f"not within {within_s} s; last seen: {seen!r}"
        time.sleep(every_s)
