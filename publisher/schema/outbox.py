"""Tables of the outbox: what happened, what it still owes, and what was done about it."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from publisher.schema.row import Row


class EventRow(Row):
    """Something that happened; partitioned by day.

    Attributes:
        traceparent: W3C trace context of the request that led to it.
    """

    __tablename__ = "event"
    __table_args__ = (
        Index("event_subject", "subject", "time"),
        {"postgresql_partition_by": "RANGE (time)"},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    time: Mapped[datetime] = mapped_column(primary_key=True)
    type: Mapped[str]
    subject: Mapped[UUID]
    data: Mapped[dict[str, Any]]
    traceparent: Mapped[str | None]


class EventTaskRow(Row):
    """An obligation: a task that an event still owes. Finished ones move to `step`.

    Self-contained and without a foreign key, so that old events can go while an embargo stays.

    Attributes:
        due_at: not before this instant.
        token: of the lease; the id of the Celery task that carries it. None: it is nobody's work.
        lease_until: then the lease is void.
        started_at: when the holder of the token began. None: the message was not taken up yet.
        starts: how often it was begun and did not come back; such work travels alone.
        failures: reported failures, and runs that were begun and lost.
        stuck: waits for an operator.
    """

    __tablename__ = "event_task"
    __table_args__ = (
        Index("event_task_due", "queue", "due_at", postgresql_where=text("token IS NULL AND NOT stuck")),
        Index("event_task_leased", "lease_until", postgresql_where=text("token IS NOT NULL")),
        Index("event_task_stuck", "event_id", postgresql_where=text("stuck")),
        Index("event_task_subject", "subject"),
    )

    task: Mapped[str] = mapped_column(primary_key=True)
    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    queue: Mapped[str]
    type: Mapped[str]
    subject: Mapped[UUID]
    data: Mapped[dict[str, Any]]
    due_at: Mapped[datetime]
    token: Mapped[UUID | None]
    lease_until: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    starts: Mapped[int] = mapped_column(server_default=text("0"))
    failures: Mapped[int] = mapped_column(server_default=text("0"))
    last_error: Mapped[str | None]
    stuck: Mapped[bool] = mapped_column(server_default=text("false"))
    traceparent: Mapped[str | None]


class StepRow(Row):
    """A finished obligation: the timeline that operators read; partitioned by day."""

    __tablename__ = "step"
    __table_args__ = (
        Index("step_subject", "subject", "ended_at"),
        {"postgresql_partition_by": "RANGE (ended_at)"},
    )

    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    task: Mapped[str] = mapped_column(primary_key=True)
    ended_at: Mapped[datetime] = mapped_column(primary_key=True)
    type: Mapped[str]
    subject: Mapped[UUID]
    queued_at: Mapped[datetime]
    started_at: Mapped[datetime]
    outcome: Mapped[str]


class PauseRow(Row):
    """That an operator lets nothing of a task begin.

    Attributes:
        task: its name; `deliver` is what senders do; the id of an endpoint, whose `paused_at` says the same.
    """

    __tablename__ = "pause"

    task: Mapped[str] = mapped_column(primary_key=True)
    since: Mapped[datetime] = mapped_column(server_default=text("now()"))
    reason: Mapped[str | None]
