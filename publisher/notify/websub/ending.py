"""How subscriptions end: by the callback's wish, with the lease, or with the token of a private feed."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, exists, func, select, text, update
from sqlalchemy.orm import Session

from publisher.database import Channel, wake
from publisher.notify.websub.intent import Mode
from publisher.pauses import let_go
from publisher.schema import CallbackRequestRow, DeliveryRow, EndpointRow, EndpointSecretRow, TopicRow

SLICE = 500
"""Subscriptions that end in one transaction."""

_REMEMBERED = timedelta(days=1)
_IS_ASKED = exists().where(CallbackRequestRow.endpoint_id == EndpointRow.id)

_TELL = text("""
WITH ended AS (
    UPDATE endpoint SET expires_at = now() WHERE id IN (
        SELECT id FROM endpoint WHERE topic_id IN (SELECT id FROM topic WHERE digest = :digest)
        ORDER BY id FOR NO KEY UPDATE
    ) RETURNING id, shard
), told AS (
    INSERT INTO callback_request (id, endpoint_id, mode, challenge, reason, created_at)
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
    let_go(session, [str(endpoint_id)])
    if session.scalar(select(EndpointRow.id).where(EndpointRow.id == endpoint_id, _IS_ASKED)) is None:
        _delete(session, endpoint_id)
        return
    session.execute(delete(EndpointSecretRow).where(EndpointSecretRow.endpoint_id == endpoint_id))
    session.execute(
        update(EndpointRow).where(EndpointRow.id == endpoint_id).values(expires_at=EndpointRow.created_at)
    )


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
    old = (
        select(EndpointRow.id)
        .where(EndpointRow.topic_id.is_not(None), EndpointRow.expires_at < func.now() - _REMEMBERED)
        .where(~_IS_ASKED)
        .order_by(EndpointRow.id)
        .limit(SLICE)
    )
    ended = session.scalars(old).all()
    for endpoint_id in ended:
        end(session, endpoint_id)
    return len(ended)


def _delete(session: Session, endpoint_id: UUID) -> None:
    waiting = select(DeliveryRow.id).where(DeliveryRow.endpoint_id == endpoint_id)
    ids = session.scalars(waiting.order_by(DeliveryRow.id).with_for_update()).all()
    session.execute(delete(DeliveryRow).where(DeliveryRow.id.in_(ids)))
    session.execute(delete(EndpointRow).where(EndpointRow.id == endpoint_id))
