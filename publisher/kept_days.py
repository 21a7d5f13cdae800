"""A number of days that something is kept, as settings and commands have it."""

from typing import Annotated

from pydantic import AfterValidator

SHORTEST = 7
"""The attempts of a delivery last more than three days, and somebody has to look at what failed."""

LONGEST = 36_500


def kept_days(days: int) -> int:
    """Return a number of days that makes sense; 0 is for ever.

    Raises:
        ValueError: when it makes none.
    """
    if days != 0 and not SHORTEST <= days <= LONGEST:
        raise ValueError(f"expected {SHORTEST} to {LONGEST:,} days, or 0 for ever, not {days}")
    return days


KeptDays = Annotated[int, AfterValidator(kept_days)]
"""0 is for ever."""
