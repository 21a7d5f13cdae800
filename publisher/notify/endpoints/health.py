"""Since when an endpoint does nothing but fail, and when it is given up."""

from dataclasses import dataclass
from datetime import datetime, timedelta

GIVEN_UP_AFTER = timedelta(days=5)
"""An endpoint that has done nothing but fail for so long is disabled …"""

SPREAD = timedelta(hours=12)
"""… unless its failures, but for the last one, came all within less than this: too few to say so."""

NOTED_EVERY = timedelta(hours=1)
"""So often a failure is written down: the row of an endpoint that fails all the time is not hot."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Health:
    """What the record knew of an endpoint when a delivery was claimed.

    Attributes:
        failing_since: its first failure since its last success; None: it has not failed since.
        failed_at: its last failure that was written down.
    """

    failing_since: datetime | None = None
    failed_at: datetime | None = None

    def is_given_up(self, *, at: datetime) -> bool:
        """Return whether one more failure is enough to disable the endpoint."""
        if self.failing_since is None or self.failed_at is None:
            return False
        return at - self.failing_since >= GIVEN_UP_AFTER and self.failed_at - self.failing_since >= SPREAD

    def has_to_note(self, *, at: datetime) -> bool:
        """Return whether a failure has to be written down."""
        return self.failed_at is None or at - self.failed_at >= NOTED_EVERY
