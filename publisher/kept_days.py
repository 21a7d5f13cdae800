"""A number of days that something is kept, as settings and commands have it."""

from typing import Annotated

from pydantic import AfterValidator, Field

SHORTEST = 7
"""The attempts of a delivery last more than three days, and somebody has to look at what failed."""

LONGEST = 36_500


def _is_long_enough(days: int) -> int:
    if 0 < days < SHORTEST:
        raise ValueError(f"expected {SHORTEST} days or more, or 0 for ever")
    return days


KeptDays = Annotated[int, Field(ge=0, le=LONGEST), AfterValidator(_is_long_enough)]
"""0 is for ever."""
