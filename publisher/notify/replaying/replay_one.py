"""Send one delivery again, whatever came of it, because somebody asks for it."""

from uuid import UUID

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from publisher.database import Channel, wake
from publisher.errors import Conflict, NotFound
from publisher.notify.endpoints.store import locked, require_enabled
from publisher.notify.outcome import DeliveryState
from publisher.schema import DeliveryRow, MessageRow

_TRIGGER = "manual"


def replay_one(session: Session, endpoint_id: UUID, delivery_id: UUID) -> None:
    """Make a delivery due now: one that arrived, too, and one that waits for its next attempt.

    Attempts are counted on: what had used them up gets one more.

    Raises:
        NotFound: when there is no such endpoint, it was deleted, or the delivery is not one of its own.
        Conflict: when the endpoint is disabled, or there is no message any more.
    """
    require_enabled(locked(session, endpoint_id))
    chosen = select(DeliveryRow).where(DeliveryRow.id == delivery_id, DeliveryRow.endpoint_id == endpoint_id)
    delivery = session.scalar(chosen.with_for_update().execution_options(populate_existing=True))
    if delivery is None:
        raise NotFound(f"delivery {delivery_id}: is unknown at endpoint {endpoint_id}")
    _require_message(session, delivery)
    # Of a pending one that is due already the place is kept; of any other there is none.
    delivery.next_attempt_at = func.least(DeliveryRow.next_attempt_at, func.now())
    delivery.state, delivery.trigger = DeliveryState.PENDING, _TRIGGER
    session.flush()
    wake(session, Channel.DELIVERIES)


def _require_message(session: Session, delivery: DeliveryRow) -> None:
    message = and_(MessageRow.id == delivery.message_id, MessageRow.time == delivery.message_time)
    stored = session.execute(select(MessageRow.body.is_not(None).label("has_body")).where(message))
    has_body = stored.scalar_one_or_none()
    if has_body is None:
        raise Conflict(f"delivery {delivery.id}: its message is no longer kept, nothing can be sent again")
    if not has_body:
        raise Conflict(
            f"delivery {delivery.id}: its message was scrubbed, as after a takedown, and is never sent again"
        )
