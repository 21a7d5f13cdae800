"""Look in the record for deliveries that are due: along our shards, and before endpoints with a backlog."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from uuid import UUID

from sqlalchemy import ARRAY, Boolean, Integer, SmallInteger, bindparam, text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.dialects.postgresql import UUID as UUID_COLUMN
from sqlalchemy.orm import Session

from publisher.notify.due import Due
from publisher.notify.memory.room import Room
from publisher.notify.memory.sweep import WALK, Stretch

IN_FLIGHT = 10
"""Requests at a time to an endpoint that does not say how many it takes."""

# A shard offers at most a quarter more than its even share of the free slots, so that a look reads about as
# many rows as it takes. Where the work is uneven, several looks bring it; of little work, one.
_HEADROOM = 1.25
_LEAST_OF_EACH = 4

_NOW = "coalesce(:at, now())"
_OF_DELIVERY = """
    delivery.id, delivery.shard, delivery.endpoint_id, delivery.message_id, delivery.message_time,
    delivery.sequence, delivery.attempts, delivery.trigger, delivery.next_attempt_at
"""
_MOST_AT_ONCE = f"""
    CASE WHEN endpoint.fifo OR endpoint.breaks > 0 THEN 1
    ELSE coalesce(endpoint.max_in_flight, {IN_FLIGHT}) END
"""
_OF_ENDPOINT = f"""
    endpoint.url, endpoint.timeout_s, endpoint.rate_per_s, endpoint.fifo, endpoint.enabled,
    endpoint.breaks, endpoint.failing_since, endpoint.failed_at, {_MOST_AT_ONCE} AS most_at_once,
    endpoint.deleted_at IS NOT NULL AS deleted, endpoint.topic_id,
    endpoint.expires_at > {_NOW} AS is_subscribed
"""
# What somebody asks to be sent now is as good as any other probe.
_BROKEN_UNTIL = "CASE WHEN delivery.trigger = 'manual' THEN NULL ELSE endpoint.broken_until END"
# Whoever asks for silence, or fails, may still be asked what it wants: to unsubscribe, for example.
_LISTENS = f"""
    endpoint.paused_at IS NULL AND NOT EXISTS (SELECT FROM pause WHERE task = 'deliver')
    AND (coalesce(greatest(endpoint.paused_until, {_BROKEN_UNTIL}), '-infinity') <= {_NOW}
         OR endpoint.topic_id IS NOT NULL AND delivery.id <> endpoint.id)
"""
# An index range a stretch, so that a long queue in one is never sorted as a whole. `NOT IN` with a subquery:
# one look into a hash table a row, under a generic plan as well. `OFFSET 0`: an index look-up a delivery,
# however few or many endpoints the planner thinks that there are.
_BUSY = "(SELECT unnest(CAST(:busy AS uuid[])))"
_WITH_ENDPOINT = f"""
    CROSS JOIN LATERAL (
        SELECT {_OF_ENDPOINT},
               {_LISTENS} AND delivery.state = 'pending' AND delivery.id NOT IN {_BUSY} AS is_free
        FROM endpoint WHERE endpoint.id = delivery.endpoint_id OFFSET 0
    ) AS endpoint
"""
_FOUND = ", ".join(f"found.{name}" for name in Due._fields[: Due._fields.index("urgent")])
# Without `state = 'pending'` in the innermost part, `delivery_due` is the only index that fits.
_DUE = text(f"""
SELECT {_FOUND}, false, 0::float8, true, found.is_free, found.place, own.recent, found.place = own.walk
FROM unnest(:shards, :starts, :walks, :recents) AS own(shard, start, walk, recent) CROSS JOIN LATERAL (
    SELECT {_OF_DELIVERY}, delivery.place, endpoint.* FROM (
        SELECT *, row_number() OVER (ORDER BY next_attempt_at) AS place FROM delivery
        WHERE shard = own.shard AND next_attempt_at <= {_NOW}
          AND next_attempt_at >= CASE WHEN own.recent THEN {_NOW} - interval '5 seconds'
                                 ELSE coalesce(own.start, '-infinity') END
        ORDER BY next_attempt_at LIMIT own.walk
    ) AS delivery {_WITH_ENDPOINT}
    WHERE endpoint.is_free AND delivery.endpoint_id NOT IN (SELECT unnest(:others)) OR place = own.walk
    ORDER BY delivery.next_attempt_at LIMIT :of_each
) AS found
UNION ALL
SELECT {_FOUND}, true, 0::float8, true, found.is_free, 0, false, false FROM (
    SELECT {_OF_DELIVERY}, endpoint.* FROM (
        SELECT * FROM delivery
        WHERE shard = ANY(:shards) AND state = 'pending' AND urgent AND next_attempt_at <= {_NOW}
          AND endpoint_id NOT IN (SELECT unnest(:full))
        LIMIT {WALK}
    ) AS delivery {_WITH_ENDPOINT}
    WHERE endpoint.is_free AND NOT endpoint.fifo LIMIT :slots
) AS found
""").bindparams(
    bindparam("shards", type_=ARRAY(SmallInteger)),
    bindparam("starts", type_=ARRAY(TIMESTAMP(timezone=True))),
    bindparam("walks", type_=ARRAY(Integer)),
    bindparam("recents", type_=ARRAY(Boolean)),
    bindparam("at", type_=TIMESTAMP(timezone=True)),
    *(bindparam(name, type_=ARRAY(UUID_COLUMN)) for name in ("others", "full")),
)
# Whoever keeps an order gets the message first that happened first, and none as long as an older one is yet
# to be turned into a delivery, by a fan-out or by a replay that has come as far as `after`.
_BACKLOG = text(f"""
SELECT {_OF_DELIVERY}, {_OF_ENDPOINT}, false,
       extract(epoch FROM delivery.next_attempt_at - {_NOW})::float8,
       NOT endpoint.fifo OR delivery.message_id < coalesce(
           (SELECT event_id FROM event_task WHERE task = 'fan_out' AND NOT stuck
            ORDER BY event_id LIMIT 1), :last
       ) AND NOT EXISTS (
           SELECT FROM event_task WHERE task = 'replay' AND subject = endpoint.id AND NOT stuck
           AND (data ->> 'after')::uuid < delivery.message_id
       )
FROM unnest(:endpoints, :flying) AS wanted(id, flying) JOIN endpoint ON endpoint.id = wanted.id
CROSS JOIN LATERAL (
    (SELECT * FROM delivery
     WHERE NOT endpoint.fifo AND endpoint_id = wanted.id AND state = 'pending'
       AND next_attempt_at <= {_NOW} AND id NOT IN {_BUSY}
     ORDER BY next_attempt_at
     LIMIT greatest(0, {_MOST_AT_ONCE} - wanted.flying))
    UNION ALL
    (SELECT * FROM delivery WHERE endpoint.fifo AND endpoint_id = wanted.id AND state = 'pending'
     ORDER BY message_id LIMIT 1)
) AS delivery
WHERE {_LISTENS}
""").bindparams(
    bindparam("endpoints", type_=ARRAY(UUID_COLUMN)),
    bindparam("flying", type_=ARRAY(Integer)),
    bindparam("at", type_=TIMESTAMP(timezone=True)),
    bindparam("last", type_=UUID_COLUMN),
)
_LAST = UUID(int=2**128 - 1)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a look along our shards has brought.

    Attributes:
        rows: what may be sent, urgent ones first, then what is due longest; no two of them are one delivery.
        reached: when the last delivery was due that was walked along, of shards that go on behind it.
        cut: shards that had more to send than they were asked for.
    """

    rows: Sequence[Due]
    reached: Mapping[int, datetime]
    cut: Collection[int]


def look_along(
    session: Session, stretches: Sequence[Stretch], room: Room, *, at: datetime | None = None
) -> Seen:
    """Return what is due in our shards, but for endpoints that are full or have a backlog.

    Args:
        stretches: at least one.
    """
    of_each = max(_LEAST_OF_EACH, ceil(_HEADROOM * room.slots / len(stretches)))
    others = {*room.full, *room.backlogged}  # nobody, as a rule
    rows = session.execute(
        _DUE,
        {
            "shards": [one.shard for one in stretches],
            "starts": [one.start for one in stretches],
            "walks": [one.walk for one in stretches],
            "recents": [one.recent for one in stretches],
            "of_each": of_each,
            "slots": room.slots,
            "at": at,
            "busy": _array(room.busy),
            "others": list(others),
            "full": list(room.full),
        },
    ).all()
    found = [Due._make(row) for row in rows]
    offered = Counter(row.shard for row in found if not row.recent and not row.urgent)
    free: dict[UUID, Due] = {}
    # Of what came due at the same instant (a fan-out), every shard has its turn.
    for row in sorted(found, key=lambda row: (not row.urgent, row.next_attempt_at, row.place)):
        if row.is_free and (row.urgent or not others or row.endpoint_id not in others):
            free.setdefault(row.id, row)
    return Seen(
        rows=list(free.values()),
        reached={row.shard: row.next_attempt_at for row in found if row.is_last and not row.recent},
        cut={shard for shard, count in offered.items() if count >= of_each},
    )


def look_before(
    session: Session, endpoints: Sequence[UUID], room: Room, *, at: datetime | None = None
) -> Sequence[Due]:
    """Return what waits longest before endpoints that have a backlog, no more than each of them takes.

    Of one that keeps an order the first of the line comes, due or not (`due_in_s`), and in our hands or not.
    """
    if not endpoints:
        return []
    rows = session.execute(
        _BACKLOG,
        {
            "endpoints": list(endpoints),
            "flying": [room.flying.get(one, 0) for one in endpoints],
            "busy": _array(room.busy),
            "at": at,
            "last": _LAST,
        },
    )
    return [Due(*row) for row in rows]


def _array(ids: Collection[UUID]) -> str:
    """Return an array as PostgreSQL reads it, in a third of the time that an adapted list takes."""
    return f"{{{','.join([one.hex for one in ids])}}}"
