"""Pause a single endpoint, by an operator: its deliveries are held, and released when it is resumed."""

from uuid import UUID

from sqlalchemy.orm import Session

from publisher.database import Channel, wake
from publisher.notify.endpoints.store import locked
from publisher.pauses import Pause, hold_back, let_go


def pause_endpoint(session: Session, endpoint_id: UUID, *, reason: str | None) -> tuple[Pause, bool]:
    """Send nothing to an endpoint any more but what is on its way; return the pause, and whether it is new.

    Raises:
        NotFound: when there is none, or it was deleted.
    """
    row = locked(session, endpoint_id)
    found, is_new = hold_back(session, [str(endpoint_id)], reason=reason)
    row.paused_at = found.since
    session.flush()
    return found, is_new


def resume_endpoint(session: Session, endpoint_id: UUID) -> Pause | None:
    """Send what an endpoint was not sent while it was paused; return the pause, or None if there was none.

    Silence that its receiver asked for (`Retry-After`) lasts as long as it was asked for.

    Raises:
        NotFound: when there is none, or it was deleted.
    """
    row = locked(session, endpoint_id)
    row.paused_at = None
    session.flush()
    wake(session, Channel.DELIVERIES)
    return let_go(session, [str(endpoint_id)])
