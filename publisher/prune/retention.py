"""How long what happened is kept."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from publisher.settings import Settings

TOMBSTONES_KEPT = timedelta(days=90)
"""How long a feed says that an article was retracted: readers that come by more rarely miss it."""


@dataclass(frozen=True, kw_only=True)
class Retention:
    """How long things are kept; None: for ever.

    Attributes:
        records: events, steps, messages and attempts.
        deliveries: who was sent what. As long as they are kept, a takedown reaches whoever got the article.
    """

    records: timedelta | None
    deliveries: timedelta | None

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return what the settings say; deliveries are kept at least as long as everything else."""
        return cls.days(settings.keep_days, settings.keep_deliveries_days)

    @classmethod
    def days(cls, records: int, deliveries: int) -> Self:
        """Return it for days; 0 is for ever."""
        longer = max(records, deliveries) if records and deliveries else 0
        return cls(records=_days(records), deliveries=_days(longer))

    def old(self, *, at: datetime) -> "Old":
        """Return what is old at an instant."""
        return Old(
            records=None if self.records is None else at - self.records,
            deliveries=None if self.deliveries is None else at - self.deliveries,
            tombstones=None if self.records is None else at - max(self.records, TOMBSTONES_KEPT),
        )


@dataclass(frozen=True, kw_only=True)
class Old:
    """What is from before these instants is old; None: nothing is."""

    records: datetime | None
    deliveries: datetime | None
    tombstones: datetime | None


def _days(count: int) -> timedelta | None:
    return timedelta(days=count) if count else None
