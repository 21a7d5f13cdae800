"""An obligation, and what can become of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from publisher.events import EventType

LEASE = timedelta(seconds=5)
"""How long work belongs to whoever took it; every task's hard time limit lies under it."""

_PAUSES_S = (0, 1, 5, 30, 120)
"""Before the second to the sixth try; after that the obligation is stuck."""


@dataclass(frozen=True, kw_only=True)
class Obligation:
    """A task that an event still owes, begun under a token.

    Attributes:
        subject: the article, feed or endpoint that the event is about.
        data: the event's, or what an earlier slice of the work left (`Postponed`).
        queued_at: when it came due.
        traceparent: of the request that led to it; events that follow take it over.
    """

    event_id: UUID
    task: str
    type: EventType
    subject: UUID
    queued_at: datetime
    started_at: datetime
    data: Mapping[str, Any] = field(default_factory=dict, hash=False)
    failures: int = 0
    traceparent: str | None = None


@dataclass(frozen=True, kw_only=True)
class Done:
    """It is fulfilled; `outcome` says how, in a word, for the timeline.

    Attributes:
        accepted_at: of a revision that became public by it: since when it could have been.
    """

    outcome: str = "done"
    accepted_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Postponed:
    """It comes due again: an embargo, or the next slice of long work.

    Attributes:
        at: when; None is at once.
        data: replaces the obligation's data; None keeps it.
    """

    at: datetime | None = None
    data: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Failed:
    """It raised; it is tried again, and stuck after the sixth time."""

    error: str


Fate = Done | Postponed | Failed


def pause_after(failures: int) -> timedelta | None:
    """Return how long to wait before the next try, or None if the obligation is stuck.

    Args:
        failures: so far, this one included; 1 or more.
    """
    if failures > len(_PAUSES_S):
        return None
    return timedelta(seconds=_PAUSES_S[failures - 1])
