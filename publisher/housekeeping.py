"""What has to be done now and then, whatever comes in: make room for the coming days, drop what is old."""

from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from publisher.events import EventType
from publisher.outbox.emit import emit
from publisher.outbox.obligation import Fate, Obligation, Postponed
from publisher.partitions import prepare_partitions
from publisher.schema import EventTaskRow, IdempotencyRow

EVERY = timedelta(hours=1)
ANSWERS_KEPT = timedelta(hours=24)
"""How long the answer to a request with an `Idempotency-Key` is remembered."""

_HOUSE = UUID(int=0)


def begin_housekeeping(session: Session) -> None:
    """Owe the work for the first time; it comes due again by itself. Once more changes nothing."""
    owed = select(EventTaskRow.event_id).where(EventTaskRow.type == EventType.HOUSEKEEPING_DUE).exists()
    if not session.scalar(select(owed)):
        emit(session, EventType.HOUSEKEEPING_DUE, _HOUSE)


def keep_house(session: Session, obligations: Mapping[Obligation, Obligation]) -> dict[Obligation, Fate]:
    """Prepare what the coming days need, and forget old answers; due again in an hour."""
    at = session.scalar(select(func.now()))
    assert at is not None
    prepare_partitions(session.connection(), at=at)
    session.execute(delete(IdempotencyRow).where(IdempotencyRow.created_at < at - ANSWERS_KEPT))
    return {one: Postponed(at=at + EVERY) for one in obligations}
