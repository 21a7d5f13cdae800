"""Wait for an effect, not for a time."""

import time
from collections.abc import Callable
from typing import TypeVar

Seen = TypeVar("Seen")

# A twentieth of what was waited already is no time lost, and looks cost what the system under test could use.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.005, 0.1


def eventually(look: Callable[[], Seen], *, within_s: float = 10.0) -> Seen:
    """Return what `look` returns as soon as it is true.

    Raises:
        AssertionError: when the time is over; it shows what was seen last.
    """
    began = time.monotonic()
    deadline = began + within_s
    while True:
        seen = look()
        if seen:
            return seen
        assert time.monotonic() < deadline, f"not within {within_s} s; last seen: {seen!r}"
        waited_s = time.monotonic() - began
        time.sleep(min(max(_FIRST_PAUSE_S, waited_s / 20), _LONGEST_PAUSE_S))
