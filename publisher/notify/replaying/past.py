"""What an endpoint is to be sent again: of which time, in which states, and how it is narrowed."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from sqlalchemy import ColumnElement, SQLColumnExpression, and_, func

from publisher.ids import first_id_of
from publisher.notify.endpoints.filters import EVERYTHING, Filter, filter_of

RATE_PER_S = 100.0
"""Deliveries a second that come due at an endpoint which has no rate of its own."""

_ALL_EVENTS = Filter(event_types=(EVERYTHING,))
# Of an endpoint's own rate: the other half is for what is published meanwhile.
_SHARE = 0.5
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# A message's id bears the time of the clock that made it; its time is the database's.
_CLOCKS_APART = timedelta(days=1)


class Replayable(StrEnum):
    """What can be sent again."""

    FAILED = "failed"
    HELD = "held"
    MISSING = "missing"


@dataclass(frozen=True, kw_only=True)
class Window:
    """Messages of this time: from `since`, before `until`; None is until now."""

    since: datetime
    until: datetime | None = None

    def holds(self, time: SQLColumnExpression[datetime]) -> ColumnElement[bool]:
        """Return the condition that a column lies in the window."""
        return and_(time >= self.since, time < (self.until or func.now()))

    @property
    def first_id(self) -> UUID:
        """An id that no message of the window is under, for indexes that know no times."""
        return first_id_of(max(self.since, _EPOCH) - _CLOCKS_APART)


@dataclass(frozen=True, kw_only=True)
class Past:
    """What of the past is wanted.

    Attributes:
        only: narrows it further, as the filter of an endpoint does.
        article_id: only what is about this article; None: whatever it is about.
        rate_per_s: of deliveries at most; None: as many as the endpoint is sent (`pause_between`).
    """

    window: Window
    states: frozenset[Replayable] = frozenset(Replayable)
    only: Filter = _ALL_EVENTS
    article_id: UUID | None = None
    rate_per_s: float | None = None

    def closed(self, at: datetime) -> Self:
        """Return the same without what is published from this instant on."""
        until = self.window.until
        return replace(self, window=replace(self.window, until=at if until is None else min(until, at)))

    def pause_between(self, endpoint_rate_per_s: float | None) -> timedelta:
        """Return after how long the next delivery comes due.

        Args:
            endpoint_rate_per_s: what the endpoint takes; None: it does not say.
        """
        rate_per_s = RATE_PER_S if endpoint_rate_per_s is None else endpoint_rate_per_s * _SHARE
        return timedelta(seconds=1 / min(rate_per_s, self.rate_per_s or rate_per_s))

    def as_json(self) -> dict[str, Any]:
        """Return the form that `past_of` reads."""
        until = self.window.until
        return {
            "since": self.window.since.isoformat(),
            "until": None if until is None else until.isoformat(),
            "states": sorted(self.states),
            **self.only.as_json(),
            "article_id": None if self.article_id is None else str(self.article_id),
            "rate_per_s": self.rate_per_s,
        }


def past_of(raw: Mapping[str, Any]) -> Past:
    """Return what `as_json` wrote; further members are left alone."""
    until, article_id = raw["until"], raw["article_id"]
    return Past(
        window=Window(
            since=datetime.fromisoformat(raw["since"]),
            until=None if until is None else datetime.fromisoformat(until),
        ),
        states=frozenset(map(Replayable, raw["states"])),
        only=filter_of(raw),
        article_id=None if article_id is None else UUID(article_id),
        rate_per_s=raw["rate_per_s"],
    )
