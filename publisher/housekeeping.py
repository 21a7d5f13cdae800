"""What has to be done now and then, whatever comes in: room for the coming days, old answers dropped."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, func, select, text, tuple_
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
_SLICE = 5_000
_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(7161020)")


def begin_housekeeping(session: Session) -> None:
    """Owe the work for the first time; it comes due again by itself. Once more changes nothing."""
    session.execute(_ONE_AT_A_TIME)
    owed = select(EventTaskRow.event_id).where(EventTaskRow.type == EventType.HOUSEKEEPING_DUE).exists()
    if not session.scalar(select(owed)):
        emit(session, EventType.HOUSEKEEPING_DUE, _HOUSE)


def keep_house(session: Session, obligations: Mapping[Obligation, Obligation]) -> dict[Obligation, Fate]:
    """Prepare what the coming days need, and forget a slice of old answers.

    Due again in an hour, or at once while there are more.
    """
    at = session.scalar(select(func.now()))
    assert at is not None
    prepare_partitions(session.connection(), at=at)
    forgotten = _forget_answers(session, before=at - ANSWERS_KEPT)
    return {one: Postponed(at=None if forgotten == _SLICE else at + EVERY) for one in obligations}


def _forget_answers(session: Session, *, before: datetime) -> int:
    old = (
        select(IdempotencyRow.api_key_id, IdempotencyRow.key)
        .where(IdempotencyRow.created_at < before)
        .order_by(IdempotencyRow.created_at)
        .limit(_SLICE)
    )
    chosen = tuple_(IdempotencyRow.api_key_id, IdempotencyRow.key).in_(old)
    return len(session.execute(delete(IdempotencyRow).where(chosen).returning(IdempotencyRow.key)).all())
