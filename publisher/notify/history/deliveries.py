"""What was sent to an endpoint, what is to be sent, and how every attempt ended."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from publisher.notify.outcome import DeliveryState
from publisher.schema import AttemptRow, DeliveryRow, EndpointRow, MessageRow


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One try.

    Attributes:
        trigger: `auto`, `manual` or `replay`.
        url: the one that was used.
        status: None if not even the head of an answer came.
        error: what kept the answer from being complete; None if it is.
        address: the one connected to; None if it did not come to that.
        response_headers: by their names in lower case, the first 16 kB; None without an answer.
        response_body: its first 16 kB.
    """

    number: int
    trigger: str
    at: datetime
    url: str
    status: int | None
    error: str | None
    duration_ms: int
    address: str | None
    response_headers: Mapping[str, str] | None
    response_body: str | None


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """A message owed to an endpoint.

    Attributes:
        message_id: the event's id; on the wire it is `msg_` and its 32 hex digits.
        event_type: None once the message is no longer kept.
        state: held, too, while the endpoint is paused; it is pending again as soon as that is over.
        next_attempt_at: when pending, or held for a time that is known.
        attempts: the first one first.
    """

    id: UUID
    message_id: UUID
    event_type: str | None
    article_id: UUID | None
    sequence: int | None
    state: DeliveryState
    next_attempt_at: datetime | None
    attempts: tuple[Attempt, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Pause:
    """That nothing is sent to the endpoint now, and until when; None: until an operator resumes it."""

    until: datetime | None


def newest_deliveries(
    session: Session,
    endpoint_id: UUID,
    *,
    limit: int,
    state: DeliveryState | None = None,
    before: UUID | None = None,
) -> list[Delivery]:
    """Return an endpoint's deliveries, those of the newest messages first.

    Args:
        before: the message of the last delivery on the page before this one.
    """
    # The day stands in the join, so that only the partitions of these days are read.
    message = and_(MessageRow.id == DeliveryRow.message_id, MessageRow.time == DeliveryRow.message_time)
    chosen = (
        select(DeliveryRow, MessageRow.type)
        .outerjoin(MessageRow, message)
        .where(DeliveryRow.endpoint_id == endpoint_id)
        .order_by(DeliveryRow.message_id.desc())
        .limit(limit)
    )
    pause = _pause_of(session, endpoint_id)
    if state is not None:
        chosen = chosen.where(DeliveryRow.state.in_(_stored_as(state, paused=pause is not None)))
    if before is not None:
        chosen = chosen.where(DeliveryRow.message_id < before)
    rows = session.execute(chosen).all()
    attempts = _attempts(session, [row.id for row, _ in rows])
    return [_delivery(row, event_type, attempts.get(row.id, []), pause) for row, event_type in rows]


def _pause_of(session: Session, endpoint_id: UUID) -> _Pause | None:
    row = session.execute(
        select(EndpointRow.paused_at, EndpointRow.paused_until, func.now().label("now")).where(
            EndpointRow.id == endpoint_id
        )
    ).one()
    if row.paused_at is not None:
        return _Pause(until=None)
    return _Pause(until=row.paused_until) if row.paused_until and row.paused_until > row.now else None


def _stored_as(state: DeliveryState, *, paused: bool) -> list[DeliveryState]:
    """Return what a delivery that is shown in a state is in the record."""
    if not paused:
        return [state]
    shown = {DeliveryState.PENDING: [], DeliveryState.HELD: [DeliveryState.PENDING, DeliveryState.HELD]}
    return shown.get(state, [state])


def _attempts(session: Session, delivery_ids: Sequence[UUID]) -> dict[UUID, list[Attempt]]:
    found: dict[UUID, list[Attempt]] = {}
    if not delivery_ids:
        return found
    made = (
        select(AttemptRow)
        .where(AttemptRow.delivery_id.in_(delivery_ids))
        .order_by(AttemptRow.number, AttemptRow.at)
    )
    for row in session.scalars(made):
        found.setdefault(row.delivery_id, []).append(
            Attempt(
                number=row.number,
                trigger=row.trigger,
                at=row.at,
                url=row.url,
                status=row.status,
                error=row.error,
                duration_ms=row.duration_ms,
                address=row.address,
                response_headers=row.response_headers,
                response_body=row.response_body,
            )
        )
    return found


def _delivery(
    row: DeliveryRow, event_type: str | None, attempts: Sequence[Attempt], pause: _Pause | None
) -> Delivery:
    state, next_attempt_at = DeliveryState(row.state), row.next_attempt_at
    if state is DeliveryState.PENDING and pause is not None:
        state = DeliveryState.HELD
        next_attempt_at = max(pause.until, next_attempt_at or pause.until) if pause.until else None
    return Delivery(
        id=row.id,
        message_id=row.message_id,
        event_type=event_type,
        article_id=row.article_id,
        sequence=row.sequence,
        state=state,
        next_attempt_at=next_attempt_at,
        attempts=tuple(attempts),
    )
