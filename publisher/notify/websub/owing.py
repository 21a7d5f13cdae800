"""Subscribers are owed the newest document of their topic: one delivery each, however often it changes."""

from uuid import UUID

from sqlalchemy import Integer, bindparam, select, text
from sqlalchemy.dialects.postgresql import UUID as UUID_COLUMN
from sqlalchemy.orm import Session

from publisher.schema import EndpointRow

SLICE = 10_000
"""Subscriptions in one statement."""

# Whoever is chosen is kept until the commit, so that no delivery is left without its subscription.
# What waits to be tried again keeps its turn: there is newer text, not a better receiver. What is on its way
# is not over with its answer, for that is about an older one.
_OWE = text("""
INSERT INTO delivery (id, message_id, message_time, endpoint_id, sequence, shard, state, next_attempt_at)
SELECT id, topic_id, now(), id, :generation, shard, 'pending', now() FROM endpoint
WHERE topic_id = :topic AND deleted_at IS NULL AND expires_at > now()
  AND (CAST(:after AS uuid) IS NULL OR id > :after) AND (CAST(:last AS uuid) IS NULL OR id <= :last)
ORDER BY id FOR KEY SHARE
ON CONFLICT (id) DO UPDATE SET
    sequence = excluded.sequence, message_time = excluded.message_time, trigger = 'auto',
    attempts = CASE WHEN delivery.state = 'pending' THEN delivery.attempts ELSE 0 END,
    next_attempt_at = CASE WHEN delivery.state = 'pending' THEN delivery.next_attempt_at ELSE now() END,
    state = 'pending'
WHERE delivery.sequence < excluded.sequence
""").bindparams(
    bindparam("topic", type_=UUID_COLUMN),
    bindparam("generation", type_=Integer),
    bindparam("after", type_=UUID_COLUMN),
    bindparam("last", type_=UUID_COLUMN),
)


def owe_newest(
    session: Session, topic_id: UUID, generation: int, *, after: UUID | None = None
) -> UUID | None:
    """Oblige us to send a topic's document to a slice of its subscribers; return where the next one begins.

    Any slice may be written again.

    Args:
        generation: of the document; whoever is owed it, or a newer one, stays as it is.
        after: the subscription at which the last slice ended.
    """
    rest = select(EndpointRow.id).where(EndpointRow.topic_id == topic_id).order_by(EndpointRow.id)
    if after is not None:
        rest = rest.where(EndpointRow.id > after)
    last = session.scalar(rest.offset(SLICE - 1).limit(1))
    session.execute(_OWE, {"topic": topic_id, "generation": generation, "after": after, "last": last})
    return last
