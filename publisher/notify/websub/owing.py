"""Subscribers are owed the newest document of their topic: one delivery each, however often it changes."""

from uuid import UUID

from sqlalchemy import bindparam, select, text
from sqlalchemy.dialects.postgresql import UUID as UUID_COLUMN
from sqlalchemy.orm import Session

from publisher.schema import EndpointRow, TopicRow

SLICE = 10_000
"""Subscriptions in one statement."""

FIRST, LAST = UUID(int=0), UUID(int=2**128 - 1)
"""Ids before and behind all others."""

# Whoever is chosen is kept until the commit, so that no delivery is left without its subscription; and
# deliveries are locked in the order of their ids, whatever their topics.
# What waits to be tried again keeps its turn: there is newer text, not a better receiver.
_OWE = text("""
INSERT INTO delivery (id, message_id, message_time, endpoint_id, sequence, shard, state, next_attempt_at)
SELECT endpoint.id, topic.id, now(), endpoint.id, topic.generation, endpoint.shard, 'pending', now()
FROM endpoint JOIN topic ON topic.id = endpoint.topic_id
WHERE topic.label_id = :label AND topic.body IS NOT NULL AND endpoint.expires_at > now()
  AND endpoint.id > :after AND endpoint.id <= :last
ORDER BY endpoint.id FOR KEY SHARE OF endpoint
ON CONFLICT (id) DO UPDATE SET
    sequence = excluded.sequence, message_time = excluded.message_time, trigger = 'auto',
    attempts = CASE WHEN delivery.state = 'pending' THEN delivery.attempts ELSE 0 END,
    next_attempt_at = CASE WHEN delivery.state = 'pending' THEN delivery.next_attempt_at ELSE now() END,
    state = 'pending'
WHERE delivery.sequence < excluded.sequence
""").bindparams(*(bindparam(name, type_=UUID_COLUMN) for name in ("label", "after", "last")))


def owe_newest(session: Session, label_id: UUID, *, after: UUID = FIRST) -> UUID | None:
    """Oblige us to send what is newest to a slice of a feed's subscribers; return where the next one begins.

    In whatever format; whoever is owed it already stays as it is, so any slice may be written again.

    Args:
        after: the subscription at which the last slice ended.
    """
    subscribed = (
        select(EndpointRow.id)
        .join(TopicRow, TopicRow.id == EndpointRow.topic_id)
        .where(TopicRow.label_id == label_id, EndpointRow.id > after)
        .order_by(EndpointRow.id)
    )
    last = session.scalar(subscribed.offset(SLICE - 1).limit(1))
    session.execute(_OWE, {"label": label_id, "after": after, "last": last or LAST})
    return last


def owe_newest_to(session: Session, label_id: UUID, endpoint_id: UUID) -> None:
    """Oblige us to send what is newest to one of a feed's subscribers."""
    before = UUID(int=endpoint_id.int - 1)
    session.execute(_OWE, {"label": label_id, "after": before, "last": endpoint_id})
