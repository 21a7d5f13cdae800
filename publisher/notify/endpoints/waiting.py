"""Stop what waits for an endpoint that was disabled or deleted, a slice at a time."""

from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from publisher.notify.outcome import DeliveryState
from publisher.schema import DeliveryRow, EndpointRow

SLICE = 5_000
"""Deliveries in one transaction: a sender that records attempts must not wait long for its rows."""


def stop_waiting(session: Session, endpoint_id: UUID) -> int:
    """Hold what waits for a disabled endpoint, cancel what waits for a deleted one; return how many.

    Fewer than a slice: nothing is left. Where nobody goes on, senders do: they put aside what comes due.
    Locks the endpoint, then deliveries in the order of their ids, like everybody who locks deliveries.
    """
    endpoint = session.execute(
        select(EndpointRow.enabled, EndpointRow.deleted_at)
        .where(EndpointRow.id == endpoint_id)
        .with_for_update(read=True)
    ).one_or_none()
    if endpoint is None or (endpoint.enabled and endpoint.deleted_at is None):
        return 0
    if endpoint.deleted_at is None:
        return _move(session, endpoint_id, [DeliveryState.PENDING], DeliveryState.HELD)
    return _move(session, endpoint_id, [DeliveryState.PENDING, DeliveryState.HELD], DeliveryState.CANCELLED)


def _move(session: Session, endpoint_id: UUID, waiting: list[DeliveryState], becomes: DeliveryState) -> int:
    chosen = (
        select(DeliveryRow.id)
        .where(DeliveryRow.endpoint_id == endpoint_id, DeliveryRow.state.in_(waiting))
        .order_by(DeliveryRow.id)
        .limit(SLICE)
        .with_for_update()
        .cte("chosen")
    )
    moved = (
        update(DeliveryRow)
        .where(DeliveryRow.id.in_(select(chosen.c.id)))
        .values(state=becomes, next_attempt_at=None)
        .returning(DeliveryRow.id)
        .cte("moved")
    )
    return session.scalar(select(func.count()).select_from(moved)) or 0
