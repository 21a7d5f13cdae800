"""Take deliveries that are due, with everything that sending them needs."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import ceil
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Row, SmallInteger, bindparam, text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.dialects.postgresql import UUID as UUID_COLUMN
from sqlalchemy.orm import Session

from publisher.notify.aside import put_aside
from publisher.notify.outcome import DeliveryState
from publisher.notify.secrets import SecretBox
from publisher.notify.sending import Sending
from publisher.notify.shards import Lease
from publisher.notify.webhook import load_webhooks
from publisher.notify.websub.loading import load_for_subscribers

IN_FLIGHT = 10
"""Requests at a time to an endpoint that does not say how many it takes."""

# A shard offers at most half as much again as its even share of the free slots, so that a look reads about as
# many rows as it takes. Where the work is uneven, several looks bring it.
_HEADROOM = 1.5
_LEAST_OF_EACH = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Claimed:
    """A delivery that this sender is about to try; no row says so, the lease of its shard does.

    Attributes:
        token: of that lease.
        sequence: of what is sent: the revision's, or the generation of the feed's document.
        attempts: made before this one.
        timeout_s: None: the default.
        trigger: why this attempt is made: `auto`, `manual` or `replay`.
    """

    id: UUID
    shard: int
    token: int
    endpoint_id: UUID
    message_id: UUID
    sequence: int | None
    attempts: int
    trigger: str
    url: str
    timeout_s: float | None
    max_in_flight: int
    sending: Sending


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What one look at the record brought.

    Attributes:
        more: there was more than could be taken.
        full: endpoints that have all that they take, and more is due to them.
    """

    deliveries: Sequence[Claimed] = ()
    more: bool = False
    full: Collection[UUID] = ()


@dataclass(frozen=True, kw_only=True)
class Room:
    """What a sender can take.

    Attributes:
        slots: requests that it can begin.
        busy: deliveries in its memory: in flight, or not recorded yet.
        flying: requests in flight, by endpoint.
        full: endpoints that take no more at the moment.
        slow: endpoints that answer slowly.
        slots_of_slow: how many of the requests may go to those.
    """

    slots: int
    busy: Collection[UUID] = ()
    flying: Mapping[UUID, int] = field(default_factory=dict)
    full: Collection[UUID] = ()
    slow: Collection[UUID] = frozenset()
    slots_of_slow: int = 0


# Whoever asks for silence may still be asked what it wants: to unsubscribe, for example.
# An index range a shard, so that a long queue in one is never sorted as a whole. `NOT IN` with a subquery is
# one look into a hash table a row, under a generic plan as well.
_DUE = text("""
SELECT due.* FROM unnest(:shards) AS own(shard) CROSS JOIN LATERAL (
    SELECT delivery.id, delivery.shard, delivery.endpoint_id, delivery.message_id, delivery.message_time,
           delivery.sequence, delivery.attempts, delivery.trigger, delivery.next_attempt_at,
           endpoint.url, endpoint.timeout_s, endpoint.max_in_flight, endpoint.enabled,
           endpoint.deleted_at IS NOT NULL AS deleted, endpoint.topic_id,
           endpoint.expires_at > coalesce(:at, now()) AS is_subscribed
    FROM delivery JOIN endpoint ON endpoint.id = delivery.endpoint_id
    WHERE delivery.shard = own.shard AND delivery.state = 'pending'
      AND delivery.next_attempt_at <= coalesce(:at, now())
      AND endpoint.paused_at IS NULL AND NOT EXISTS (SELECT FROM pause WHERE task = 'deliver')
      AND (endpoint.paused_until IS NULL OR endpoint.paused_until <= coalesce(:at, now())
           OR endpoint.topic_id IS NOT NULL AND delivery.id <> endpoint.id)
      AND delivery.id NOT IN (SELECT unnest(:busy)) AND delivery.endpoint_id NOT IN (SELECT unnest(:full))
    ORDER BY delivery.next_attempt_at LIMIT :of_each
) AS due ORDER BY due.next_attempt_at LIMIT :slots
""").bindparams(
    bindparam("shards", type_=ARRAY(SmallInteger)),
    bindparam("at", type_=TIMESTAMP(timezone=True)),
    bindparam("busy", type_=ARRAY(UUID_COLUMN)),
    bindparam("full", type_=ARRAY(UUID_COLUMN)),
)


def claim(
    session: Session,
    leases: Mapping[int, Lease],
    room: Room,
    *,
    box: SecretBox,
    now: datetime,
    at: datetime | None = None,
) -> Claim:
    """Return deliveries of our shards that are due, older ones first, never more than there is room for.

    What cannot be sent is put aside on the way: `held` while its endpoint is disabled or none of its secrets
    can be read, `cancelled` when the endpoint was deleted, its lease is over or the message was scrubbed.

    Args:
        leases: at least one.
        now: by which secrets expire.
        at: by which deliveries are due; None is the database's now.

    Raises:
        SettingsError: when PUBLISHER_SECRET_KEY is not the key that secrets were encrypted with.
    """
    rows, cut_off = _look(session, leases, room, at=at)
    chosen, full = admit([row for row in rows if row.enabled and not row.deleted], room)
    found = {**_untold(rows), **_sendings(session, chosen, box=box, now=now)}
    put_aside(
        session,
        leases,
        cancelled=[row for row in rows if found.get(row.id) is DeliveryState.CANCELLED],
        held=[row for row in rows if found.get(row.id) is DeliveryState.HELD],
    )
    deliveries = [
        _claimed(row, leases[row.shard].token, sending)
        for row in chosen
        if (sending := found.get(row.id)) is not None and not isinstance(sending, DeliveryState)
    ]
    return Claim(deliveries=deliveries, more=cut_off or len(chosen) < len(rows), full=full)


def _untold(rows: Sequence[Row[Any]]) -> dict[UUID, DeliveryState]:
    """Return what becomes of deliveries to endpoints that are told nothing now."""
    return {
        row.id: DeliveryState.CANCELLED if row.deleted else DeliveryState.HELD
        for row in rows
        if row.deleted or not row.enabled
    }


def _sendings(
    session: Session, rows: Sequence[Row[Any]], *, box: SecretBox, now: datetime
) -> Mapping[UUID, Sending | DeliveryState]:
    """Return what is sent for each delivery, or what becomes of it unsent."""
    webhooks = [row for row in rows if row.topic_id is None]
    others = [row for row in rows if row.topic_id is not None]
    return {
        **load_webhooks(session, webhooks, box=box, at=now),
        **load_for_subscribers(session, others, box=box, at=now),
    }


def _look(
    session: Session, shards: Collection[int], room: Room, *, at: datetime | None
) -> tuple[Sequence[Row[Any]], bool]:
    """Return deliveries that are due, and whether there may be more of them."""
    of_each = max(_LEAST_OF_EACH, ceil(_HEADROOM * room.slots / len(shards)))
    rows = session.execute(
        _DUE,
        {
            "of_each": of_each,
            "shards": sorted(shards),
            "at": at,
            "busy": list(room.busy),
            "full": list(room.full),
            "slots": room.slots,
        },
    ).all()
    return rows, len(rows) == room.slots or of_each in Counter(row.shard for row in rows).values()


def admit(rows: Sequence[Row[Any]], room: Room) -> tuple[list[Row[Any]], set[UUID]]:
    """Return the rows that endpoints, and the slow ones together, take now, and endpoints that are full."""
    taken = Counter(room.flying)
    left = room.slots_of_slow
    admitted, full = [], set()
    for row in rows:
        slow = row.endpoint_id in room.slow
        if taken[row.endpoint_id] >= limit_of(row.max_in_flight):
            full.add(row.endpoint_id)
        elif left or not slow:
            taken[row.endpoint_id] += 1
            left -= slow
            admitted.append(row)
    return admitted, full


def limit_of(max_in_flight: int | None) -> int:
    """Return how many requests at a time an endpoint takes."""
    return IN_FLIGHT if max_in_flight is None else max_in_flight


def _claimed(row: Row[Any], token: int, sending: Sending) -> Claimed:
    return Claimed(
        id=row.id,
        shard=row.shard,
        token=token,
        endpoint_id=row.endpoint_id,
        message_id=row.message_id,
        sequence=sending.sequence,
        attempts=row.attempts,
        trigger=row.trigger,
        url=row.url,
        timeout_s=row.timeout_s,
        max_in_flight=limit_of(row.max_in_flight),
        sending=sending,
    )
