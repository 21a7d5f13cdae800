"""Write events, and what they oblige, into the caller's transaction."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, func, insert
from sqlalchemy.orm import Session

from publisher.database import Channel, routes_of, wake
from publisher.events import Event, EventType, queue_of
from publisher.ids import new_id
from publisher.schema import EventRow, EventTaskRow
from publisher.schema.row import table

_INSERT_EVENT = insert(table(EventRow)).values(time=func.now())
_INSERT_TASK = insert(table(EventTaskRow)).values(
    due_at=func.coalesce(bindparam("at", type_=EventTaskRow.due_at.type), func.now())
)


def emit(
    session: Session,
    event_type: EventType,
    subject: UUID,
    data: dict[str, Any] | None = None,
    *,
    at: datetime | None = None,
    traceparent: str | None = None,
) -> UUID:
    """Record an event and its obligations; return the event's id.

    Args:
        at: when the obligations come due; None is at once.
        traceparent: W3C trace context of the request that led to it.
    """
    event = Event(type=event_type, subject=subject, data=data or {}, at=at, traceparent=traceparent)
    return emit_all(session, [event])[0]


def emit_all(session: Session, events: Sequence[Event]) -> list[UUID]:
    """Record several events and their obligations; return their ids in the same order."""
    if not events:
        return []
    ids = [new_id() for _ in events]
    rows = [_row(identifier, event) for identifier, event in zip(ids, events, strict=True)]
    session.execute(_INSERT_EVENT, rows)
    obligations = [
        row
        for identifier, event in zip(ids, events, strict=True)
        for row in _owed(session, identifier, event)
    ]
    if obligations:
        session.execute(_INSERT_TASK, obligations)
        wake(session, Channel.OUTBOX)
    return ids


def _row(identifier: UUID, event: Event) -> dict[str, Any]:
    return {
        "id": identifier,
        "type": event.type,
        "subject": event.subject,
        "data": dict(event.data),
        "traceparent": event.traceparent,
    }


def _owed(session: Session, identifier: UUID, event: Event) -> list[dict[str, Any]]:
    return [
        {
            "task": task,
            "event_id": identifier,
            "queue": queue_of(event.type),
            "type": event.type,
            "subject": event.subject,
            "data": dict(event.data),
            "at": event.at,
            "traceparent": event.traceparent,
        }
        for task in routes_of(session).get(event.type, ())
    ]
