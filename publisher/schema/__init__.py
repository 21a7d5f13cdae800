"""Every table, in the one place that Alembic and the code import it from."""

from publisher.schema.access import ApiKeyRow, IdempotencyRow
from publisher.schema.article import ArticleKeyRow, ArticleLabelRow, ArticleRow, LabelRow, RevisionRow
from publisher.schema.delivery import (
    AttemptRow,
    DeliveryRow,
    EndpointRow,
    EndpointSecretRow,
    MessageRow,
    SenderRow,
    ShardLeaseRow,
)
from publisher.schema.feed import ArticleSearchRow, EntryRow, FeedRow, PrivateFeedRow, TombstoneRow
from publisher.schema.outbox import EventRow, EventTaskRow, PauseRow, StepRow
from publisher.schema.row import Row
from publisher.schema.websub import TopicRow, VerificationRow

__all__ = [
    "ApiKeyRow",
    "ArticleKeyRow",
    "ArticleLabelRow",
    "ArticleRow",
    "ArticleSearchRow",
    "AttemptRow",
    "DeliveryRow",
    "EndpointRow",
    "EndpointSecretRow",
    "EntryRow",
    "EventRow",
    "EventTaskRow",
    "FeedRow",
    "IdempotencyRow",
    "LabelRow",
    "MessageRow",
    "PauseRow",
    "PrivateFeedRow",
    "RevisionRow",
    "Row",
    "SenderRow",
    "ShardLeaseRow",
    "StepRow",
    "TombstoneRow",
    "TopicRow",
    "VerificationRow",
]
