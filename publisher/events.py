"""What the stages tell each other, with CloudEvents' attribute names; docs/events.md is the contract."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID


class EventType(StrEnum):
    """Everything that can have happened."""

    ARTICLE_RECEIVED = "article.received"
    ARTICLE_ENRICHED = "article.enriched"
    ARTICLE_PUBLISHED = "article.published"
    ARTICLE_CORRECTED = "article.corrected"
    ARTICLE_RETRACTED = "article.retracted"
    FEED_CHANGED = "feed.changed"
    ENDPOINT_TEST = "endpoint.test"
    ENDPOINT_DISABLED = "endpoint.disabled"
    REPLAY_REQUESTED = "replay.requested"
    HOUSEKEEPING_DUE = "housekeeping.due"


class Queue(StrEnum):
    """Where obligations travel; workers serve them in this order."""

    URGENT = "urgent"
    PIPELINE = "pipeline"


def queue_of(event_type: EventType) -> Queue:
    """Return the queue of an event's obligations: a takedown overtakes everything else."""
    return Queue.URGENT if event_type is EventType.ARTICLE_RETRACTED else Queue.PIPELINE


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened, or that is due at an instant.

    Attributes:
        subject: the article, feed or endpoint that it is about.
        data: raw JSON; what the subject alone does not tell.
        at: when its obligations come due; None is at once.
        traceparent: W3C trace context of the request that led to it.
    """

    type: EventType
    subject: UUID
    data: Mapping[str, Any] = field(default_factory=dict)
    at: datetime | None = None
    traceparent: str | None = None


Routes = Mapping[EventType, tuple[str, ...]]
"""Which tasks an event of each type obliges, by name."""
