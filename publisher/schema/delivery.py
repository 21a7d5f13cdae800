"""Tables of webhooks: endpoints and their secrets, messages, deliveries, attempts, and who sends."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Float, ForeignKey, Index, SmallInteger, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from publisher.schema.row import BigInt, Row

_IS_TOLD_OF_EVENTS = text("deleted_at IS NULL AND topic_id IS NULL")
_SUBSCRIBES = text("topic_id IS NOT NULL")
_IS_PENDING = text("state = 'pending'")
_HAS_A_TIME = text("next_attempt_at IS NOT NULL")
_IS_URGENT = text("state = 'pending' AND urgent")


class EndpointRow(Row):
    """Somebody who wants to be told: of events, by webhooks, or of what is new in a feed, by WebSub.

    Attributes:
        owner: the API key that registered it.
        filter: raw JSON `{"event_types": […], "categories": […] or null}`.
        filter_hash: SHA-256 of the filter's canonical form; equal filters are evaluated once.
        shard: 0 to 63; whoever leases it sends to this endpoint, and nobody else does.
        paused_at: since when an operator lets nothing be sent.
        paused_until: the receiver asked for silence until then.
        failing_since: its first failure since its last success; None: it has not failed since.
        failed_at: its last failure, or one up to an hour before.
        breaks: how often its circuit opened without closing in between.
        broken_until: its circuit is open until then.
        deleted_at: it is gone for everybody but the record of its deliveries.
        topic_id: what it subscribes to (WebSub); None: it is told of events, by webhooks.
        host: of a subscriber's callback.
        expires_at: when the lease of a subscription ends; None: its callback has not confirmed it.
    """

    __tablename__ = "endpoint"
    __table_args__ = (
        Index("endpoint_filter", "filter_hash", "id", postgresql_where=_IS_TOLD_OF_EVENTS),
        Index("endpoint_callback", "topic_id", "url", unique=True, postgresql_where=_SUBSCRIBES),
        Index("endpoint_topic", "topic_id", "id", postgresql_where=_SUBSCRIBES),
        Index("endpoint_host", "host", "topic_id", postgresql_where=_SUBSCRIBES),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner: Mapped[UUID | None]
    url: Mapped[str]
    description: Mapped[str | None]
    filter: Mapped[dict[str, Any]]
    filter_hash: Mapped[bytes]
    shard: Mapped[int] = mapped_column(SmallInteger)
    enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    disabled_reason: Mapped[str | None]
    disabled_at: Mapped[datetime | None]
    paused_at: Mapped[datetime | None]
    paused_until: Mapped[datetime | None]
    failing_since: Mapped[datetime | None]
    failed_at: Mapped[datetime | None]
    breaks: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    broken_until: Mapped[datetime | None]
    rate_per_s: Mapped[float | None] = mapped_column(Float)
    max_in_flight: Mapped[int | None]
    fifo: Mapped[bool] = mapped_column(server_default=text("false"))
    timeout_s: Mapped[float | None] = mapped_column(Float)
    created_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]
    topic_id: Mapped[UUID | None] = mapped_column(ForeignKey("topic.id"))
    host: Mapped[str | None]
    expires_at: Mapped[datetime | None]


class EndpointSecretRow(Row):
    """A signing key of an endpoint, encrypted; several may be live at once."""

    __tablename__ = "endpoint_secret"
    __table_args__ = (Index("endpoint_secret_endpoint", "endpoint_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    endpoint_id: Mapped[UUID] = mapped_column(ForeignKey("endpoint.id", ondelete="CASCADE"))
    encrypted: Mapped[bytes]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]


class MessageRow(Row):
    """The exact bytes that an event's subscribers receive, once; partitioned by day.

    Attributes:
        id: the event's id.
        body: None once it was scrubbed: nothing of it is ever sent again.
        accepted_at: since when there was something to tell; None for what is about no article.
        traceparent: W3C trace context of the request that led to it.
    """

    __tablename__ = "message"
    __table_args__ = (
        Index("message_article", "article_id"),
        {"postgresql_partition_by": "RANGE (time)"},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    time: Mapped[datetime] = mapped_column(primary_key=True)
    type: Mapped[str]
    article_id: Mapped[UUID | None]
    sequence: Mapped[int | None]
    body: Mapped[bytes | None]
    accepted_at: Mapped[datetime | None]
    traceparent: Mapped[str | None]


class DeliveryRow(Row):
    """That a message is owed to an endpoint, and how far that has come; never a body.

    To a subscriber it is the newest document of its topic that is owed: one row, which has the endpoint's id,
    the topic's as `message_id`, and the feed's generation as `sequence`; or a question, whose row has its id.

    Attributes:
        state: `DeliveryState`.
        attempts: made so far.
        next_attempt_at: of a pending one, and of no other.
        trigger: why the next attempt is made: `auto`, `manual` or `replay`; `auto` again after it.
        urgent: it goes before all that waits, unless the endpoint keeps an order.
    """

    __tablename__ = "delivery"
    __table_args__ = (
        UniqueConstraint("endpoint_id", "message_id"),
        # Not `_IS_PENDING`: a planner that last saw an empty queue takes whatever index fits, and walks along
        # all that waits for each shard. Of what is asked by shard and time alone, only this one fits.
        Index("delivery_due", "shard", "next_attempt_at", postgresql_where=_HAS_A_TIME),
        Index("delivery_urgent", "shard", "next_attempt_at", postgresql_where=_IS_URGENT),
        Index("delivery_waiting", "endpoint_id", "next_attempt_at", postgresql_where=_IS_PENDING),
        Index("delivery_line", "endpoint_id", "message_id", postgresql_where=_IS_PENDING),
        Index("delivery_failed", "endpoint_id", "message_id", postgresql_where=text("state = 'failed'")),
        Index("delivery_held", "endpoint_id", "id", postgresql_where=text("state = 'held'")),
        Index("delivery_article", "article_id", "endpoint_id"),
        # Rows lie about in the order in which they came: such an index costs next to nothing.
        Index(
            "delivery_message_time",
            "message_time",
            postgresql_using="brin",
            postgresql_with={"pages_per_range": 32, "autosummarize": "on"},
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("gen_random_uuid()"))
    message_id: Mapped[UUID]
    message_time: Mapped[datetime]
    endpoint_id: Mapped[UUID]
    article_id: Mapped[UUID | None]
    sequence: Mapped[int | None]
    shard: Mapped[int] = mapped_column(SmallInteger)
    state: Mapped[str]
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    next_attempt_at: Mapped[datetime | None]
    trigger: Mapped[str] = mapped_column(server_default=text("'auto'"))
    last_status: Mapped[int | None] = mapped_column(SmallInteger)
    urgent: Mapped[bool] = mapped_column(server_default=text("false"))


class AttemptRow(Row):
    """One try to deliver; partitioned by day.

    Attributes:
        trigger: `auto`, `manual` or `replay`.
        status: None if not even the head of an answer came.
        error: what kept the answer from being complete.
        response_headers: by their names in lower case, the first 16 kB (`notify/wire/response_headers.py`).
        response_body: its first 16 kB.
    """

    __tablename__ = "attempt"
    __table_args__ = (
        Index("attempt_delivery", "delivery_id", "number"),
        {"postgresql_partition_by": "RANGE (at)"},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("gen_random_uuid()"))
    at: Mapped[datetime] = mapped_column(primary_key=True)
    delivery_id: Mapped[UUID]
    endpoint_id: Mapped[UUID]
    number: Mapped[int] = mapped_column(SmallInteger)
    trigger: Mapped[str]
    url: Mapped[str]
    status: Mapped[int | None] = mapped_column(SmallInteger)
    error: Mapped[str | None]
    duration_ms: Mapped[int]
    address: Mapped[str | None]
    response_headers: Mapped[dict[str, Any] | None]
    response_body: Mapped[str | None]


class ShardLeaseRow(Row):
    """Which sender owns a shard of the endpoints, until when, and under which fencing token."""

    __tablename__ = "shard_lease"

    shard: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    holder: Mapped[UUID | None]
    token: Mapped[BigInt] = mapped_column(server_default=text("0"))
    until: Mapped[datetime | None]


class SenderRow(Row):
    """A sender that is alive, by its heartbeat."""

    __tablename__ = "sender"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    beat_at: Mapped[datetime]
    in_flight: Mapped[int]
