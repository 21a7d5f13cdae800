"""Stop what waits for an endpoint that was disabled or deleted, a slice at a time."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from publisher.notify.outcome import DeliveryState
from publisher.schema import DeliveryRow, EndpointRow

SLICE = 5_000
"""Deliveries in one transaction: a sender that records attempts must not wait long for its rows."""

# Longer than it takes from here to the commit: until then, a look may find it all the same.
_SOON = timedelta(seconds=5)


@dataclass(frozen=True, kw_only=True)
class Stopped:
    """What waited for an endpoint, and waits no more.

    Attributes:
        count: fewer than a slice: nothing is left.
        was_due: of some of it, a sender may have found that it is due, and be about to send it.
    """

    count: int = 0
    was_due: bool = False


def stop_waiting(session: Session, endpoint_id: UUID) -> Stopped:
    """Hold what waits for a disabled endpoint, cancel what waits for a deleted one; return what that was.

    One slice. Where nobody goes on, senders do: they put aside what comes due.
    Locks the endpoint, then deliveries in the order of their ids, like everybody who locks deliveries.
    """
    endpoint = session.execute(
        select(EndpointRow.enabled, EndpointRow.deleted_at)
        .where(EndpointRow.id == endpoint_id)
        .with_for_update(read=True)
    ).one_or_none()
    if endpoint is None or (endpoint.enabled and endpoint.deleted_at is None):
        return Stopped()
    if endpoint.deleted_at is None:
        return _move(session, endpoint_id, [DeliveryState.PENDING], DeliveryState.HELD)
    return _move(session, endpoint_id, [DeliveryState.PENDING, DeliveryState.HELD], DeliveryState.CANCELLED)


def _move(
    session: Session, endpoint_id: UUID, waiting: list[DeliveryState], becomes: DeliveryState
) -> Stopped:
    chosen = (
        select(DeliveryRow.id, DeliveryRow.next_attempt_at.label("due_at"))
        .where(DeliveryRow.endpoint_id == endpoint_id, DeliveryRow.state.in_(waiting))
        .order_by(DeliveryRow.id)
        .limit(SLICE)
        .with_for_update()
        .cte("chosen")
    )
    moved = (
        update(DeliveryRow)
        .where(DeliveryRow.id == chosen.c.id)
        .values(state=becomes, next_attempt_at=None)
        .returning(chosen.c.due_at)
        .cte("moved")
    )
    was_due = func.coalesce(func.bool_or(moved.c.due_at <= func.clock_timestamp() + _SOON), False)
    row = session.execute(select(func.count(), was_due).select_from(moved)).one()
    return Stopped(count=row[0], was_due=row[1])
