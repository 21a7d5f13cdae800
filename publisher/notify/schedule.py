"""When a delivery is tried again, and when it is given up."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

# Standard Webhooks 1.0.0, “Deliverability and reliability”: the pause before each attempt but the first.
PAUSES: tuple[timedelta, ...] = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
MAX_ATTEMPTS = len(PAUSES) + 1
LONGEST_RETRY_AFTER = timedelta(hours=24)
_JITTER = 0.2
_SECONDS = re.compile(r"[0-9]{1,4000}")  # of more, Python makes no number


def next_attempt_at(
    attempts: int,
    *,
    at: datetime,
    jitter: float,
    retry_after: timedelta | None = None,
    pauses: Sequence[timedelta] = PAUSES,
) -> datetime | None:
    """Return when to try again, or None if the delivery has failed.

    Args:
        attempts: tries made so far, the one that just failed included; 1 or more.
        at: when that one ended.
        jitter: -1 to 1, drawn anew each time: the pause is shorter or longer by up to a fifth, so that what
            failed together does not come back together.
        retry_after: what the receiver asked for; never shortens the pause.
        pauses: before each attempt but the first.

    Source: Standard Webhooks 1.0.0, “Deliverability and reliability”.
    """
    if attempts > len(pauses):
        return None
    pause = pauses[attempts - 1] * (1 + _JITTER * jitter)
    return at + max(pause, retry_after or timedelta())


def parse_retry_after(header: str | None, *, at: datetime) -> timedelta | None:
    """Return how long a receiver asks us to wait, at most 24 hours; None for what is absent, past or garbage.

    Source: RFC 9110, section 10.2.3: seconds, or an HTTP-date.
    """
    text = (header or "").strip()
    if _SECONDS.fullmatch(text):
        wait = timedelta(seconds=min(int(text), LONGEST_RETRY_AFTER.total_seconds()))
    else:
        try:
            until = parsedate_to_datetime(text)
            wait = (until if until.tzinfo else until.replace(tzinfo=UTC)) - at
        except (ValueError, OverflowError):
            return None
    return min(wait, LONGEST_RETRY_AFTER) if wait > timedelta() else None
