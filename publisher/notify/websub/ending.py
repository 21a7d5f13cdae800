"""How subscriptions end: by the callback's wish, with the lease, or with the token of a private feed."""

from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, exists, func, or_, select, text, update
from sqlalchemy.orm import Session

from publisher.database import Channel, wake
from publisher.notify.locking import locking
from publisher.notify.outcome import DeliveryState
from publisher.notify.websub.form import Mode
from publisher.schema import DeliveryRow, EndpointRow, EndpointSecretRow, TopicRow, VerificationRow
from publisher.schema.row import table

SLICE = 500
"""Subscriptions that end in one transaction."""

_REMEMBERED = timedelta(days=1)
_IS_ASKED = exists().where(VerificationRow.endpoint_id == EndpointRow.id)

# Nobody confirms any more what was asked before; who never confirmed anything is told nothing.
_TELL = text("""
WITH subscribed AS (
    SELECT id, shard, expires_at > now() AS is_live FROM endpoint
    WHERE topic_id IN (SELECT id FROM topic WHERE digest = :digest)
    ORDER BY id FOR NO KEY UPDATE
), forgotten AS (
    DELETE FROM verification WHERE endpoint_id IN (SELECT id FROM subscribed)
), ended AS (
    UPDATE endpoint SET expires_at = now() FROM subscribed
    WHERE endpoint.id = subscribed.id AND is_live RETURNING endpoint.id, endpoint.shard
), told AS (
    INSERT INTO verification (id, endpoint_id, mode, challenge, reason, created_at)
    SELECT gen_random_uuid(), id, :mode, '', :reason, now() FROM ended RETURNING id, endpoint_id
)
INSERT INTO delivery (id, message_id, message_time, endpoint_id, shard, state, next_attempt_at)
SELECT told.id, told.id, now(), ended.id, shard, 'pending', now()
FROM told JOIN ended ON ended.id = told.endpoint_id
""")


def end(session: Session, endpoint_id: UUID) -> None:
    """End a subscription with all that waits for it; what its callback is still to be asked is asked.

    The record of attempts stays.
    """
    mine = select(EndpointRow.id).where(EndpointRow.id == endpoint_id, EndpointRow.topic_id.is_not(None))
    if session.scalar(mine.with_for_update()) is None:
        return
    if session.scalar(select(EndpointRow.id).where(EndpointRow.id == endpoint_id, _IS_ASKED)) is None:
        _delete(session, [endpoint_id])
        return
    session.execute(delete(EndpointSecretRow).where(EndpointSecretRow.endpoint_id == endpoint_id))
    session.execute(update(EndpointRow).where(EndpointRow.id == endpoint_id).values(expires_at=None))


def deny(session: Session, digest: bytes, *, reason: str) -> None:
    """Stop to send the feed of a token, which is void now, and oblige us to tell its subscribers.

    Args:
        digest: of the token.
    """
    session.execute(_TELL, {"digest": digest, "mode": Mode.DENIED, "reason": reason})
    gone = update(TopicRow).where(TopicRow.digest == digest).values(body=None, subscribed_until=None)
    session.execute(gone)
    wake(session, Channel.DELIVERIES)


def end_expired(session: Session) -> int:
    """End a slice of those whose lease ran out a day ago, or that nobody confirmed; return how many."""
    long_ago = func.now() - _REMEMBERED
    # Of what is not asked any more, since its delivery was cancelled.
    waits = exists().where(DeliveryRow.id == VerificationRow.id, DeliveryRow.state == DeliveryState.PENDING)
    session.execute(delete(VerificationRow).where(VerificationRow.created_at < long_ago, ~waits))
    unconfirmed = EndpointRow.expires_at.is_(None) & (EndpointRow.created_at < long_ago)
    old = (
        select(EndpointRow.id)
        .where(EndpointRow.topic_id.is_not(None), or_(EndpointRow.expires_at < long_ago, unconfirmed))
        .where(~_IS_ASKED)
        .order_by(EndpointRow.id)
        .limit(SLICE)
        .with_for_update(skip_locked=True)
    )
    ended = session.scalars(old).all()
    _delete(session, ended)
    return len(ended)


def _delete(session: Session, endpoints: Collection[UUID]) -> None:
    """Delete subscriptions, which are locked, and what waits for them."""
    waiting = DeliveryRow.endpoint_id.in_(endpoints)
    session.execute(locking(waiting))
    session.execute(delete(table(DeliveryRow)).where(waiting))
    session.execute(delete(EndpointRow).where(EndpointRow.id.in_(endpoints)))
