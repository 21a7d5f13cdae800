"""Disable an endpoint: nothing is sent to it any more, and whoever asks for such news is told, once."""

from enum import StrEnum
from uuid import UUID

import structlog
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from publisher.events import EventType
from publisher.notify.endpoints.health import Health
from publisher.notify.endpoints.waiting import stop_waiting
from publisher.outbox.emit import emit
from publisher.schema import EndpointRow

log = structlog.get_logger("publisher.endpoints")


class DisabledReason(StrEnum):
    """Why an endpoint was disabled."""

    MANUAL = "manual"  # by a client of the API
    GONE = "gone"  # the receiver answered 410
    DECLINED = "declined"  # the receiver asked for it: `webhook-delivery: disable`
    FAILING = "failing"  # it has done nothing but fail for five days


def give_up(session: Session, endpoint_id: UUID) -> bool:
    """Disable an endpoint if it still does nothing but fail; False if it does not, or was disabled before.

    As `disable` locks.
    """
    row = session.get(EndpointRow, endpoint_id, with_for_update=True, populate_existing=True)
    if row is None:
        return False
    health = Health(failing_since=row.failing_since, failed_at=row.failed_at)
    now = session.scalar(select(func.now()))
    assert now is not None
    return health.is_given_up(at=now) and disable(session, endpoint_id, DisabledReason.FAILING)


def disable(session: Session, endpoint_id: UUID, reason: str) -> bool:
    """Disable an endpoint, tell of it and hold what waits for it; False if it was disabled before.

    Holds one slice; where more may wait, `stop_waiting` goes on. It locks the endpoint, then deliveries:
    callers hold no lock on deliveries yet.
    """
    disabled = session.scalar(
        update(EndpointRow)
        .where(EndpointRow.id == endpoint_id, EndpointRow.enabled, EndpointRow.deleted_at.is_(None))
        .values(enabled=False, disabled_reason=reason, disabled_at=func.now())
        .returning(EndpointRow.id)
    )
    if disabled is None:
        return False
    log.warning("endpoint.disabled", endpoint_id=str(endpoint_id), reason=str(reason))
    stop_waiting(session, endpoint_id)
    emit(session, EventType.ENDPOINT_DISABLED, endpoint_id, {"reason": reason})
    return True
