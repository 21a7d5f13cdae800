"""Something that works, but not as it should: warned of at start, shown by `publisher doctor`."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

LARGEST_DIFFERENCE = timedelta(seconds=1)
log = structlog.get_logger("publisher.surroundings")


@dataclass(frozen=True, kw_only=True)
class Concern:
    """What was found, and what to do about it.

    Attributes:
        event: the name of its log line.
        found: one clause, with the numbers.
        advice: one clause in the imperative.
    """

    event: str
    found: str
    advice: str


def warn_of(concerns: Iterable[Concern]) -> None:
    """Log a line for each."""
    for concern in concerns:
        log.warning(concern.event, found=concern.found, advice=concern.advice)


def clock_concern(whose: str, theirs: datetime, *, asked: datetime, answered: datetime) -> Concern | None:
    """Return what is to be said about a server's clock, or None if it agrees with ours.

    Args:
        theirs: what it told between the two instants of ours; the time that asking took is in its favour.
    """
    difference = max(asked - theirs, theirs - answered, timedelta(0))
    if difference <= LARGEST_DIFFERENCE:
        return None
    direction = "ahead of" if theirs > answered else "behind"
    return Concern(
        event="clock.differs",
        found=f"the clock of {whose} is {difference.total_seconds():.1f} s {direction} this machine's",
        advice="let both follow the same time servers (chrony, systemd-timesyncd)",
    )
