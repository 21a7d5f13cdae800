"""The relay's side: take what is due, and take back what was lost on the road."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, DateTime, Text, Uuid, bindparam, func, select, text, tuple_, update
from sqlalchemy.orm import Session

from publisher.events import Queue
from publisher.ids import new_id
from publisher.outbox.obligation import LEASE
from publisher.outbox.parking import park
from publisher.outbox.work import failure_values
from publisher.schema import EventTaskRow

BATCH = 64
"""Most obligations in one message."""
_AT = bindparam("at", type_=DateTime(timezone=True))
# Statements of text: the relay asks them many times a second, and SQLAlchemy's own expressions cost more to
# make than to answer. By its order an index is chosen, whatever PostgreSQL believes of how many rows a queue
# has, or are leased: `EXISTS` reads the whole table once most of it is parked.
_NEXT = text("""
SELECT name, due_at - coalesce(:at, now()) AS next_in
FROM unnest(:names) AS name CROSS JOIN LATERAL (
    SELECT due_at FROM event_task WHERE queue = name AND token IS NULL AND NOT stuck ORDER BY due_at LIMIT 1
) AS next
""").bindparams(bindparam("names", list(Queue), type_=ARRAY(Text)), _AT)
# Of one event's tasks `fan_out` comes before `feeds`: subscribers hear of it while feeds render.
_DUE = text("""
SELECT event_id, task, starts > 0 AS begun_before, task IN (SELECT task FROM pause) AS paused
FROM event_task
WHERE queue = :queue AND token IS NULL AND NOT stuck AND due_at <= coalesce(:at, now())
ORDER BY due_at, event_id, task LIMIT :most FOR UPDATE OF event_task SKIP LOCKED
""").bindparams(_AT)
_LEASE = text("""
UPDATE event_task SET token = mine.token, lease_until = now() + :lease, started_at = NULL
FROM unnest(:tasks, :event_ids, :tokens) AS mine(task, event_id, token)
WHERE event_task.task = mine.task AND event_task.event_id = mine.event_id
""").bindparams(
    bindparam("tasks", type_=ARRAY(Text)),
    bindparam("event_ids", type_=ARRAY(Uuid)),
    bindparam("tokens", type_=ARRAY(Uuid)),
)
_RAN_OUT = text("""
SELECT event_id FROM event_task
WHERE token IS NOT NULL AND lease_until < coalesce(:at, now()) ORDER BY lease_until LIMIT 1
""").bindparams(_AT)
_AT_ONCE, _NEVER = timedelta(0), timedelta.max
_MOST_AT_ONCE = 1_000
_LOST = "the process that ran it died, or ran past its time limit"


@dataclass(frozen=True, kw_only=True)
class Parcel:
    """What one message carries: the work of one task, under one token."""

    token: UUID
    task: str
    queue: Queue
    event_ids: tuple[UUID, ...]


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """What is before a relay.

    Attributes:
        due: the queues for which something is due, the urgent one first.
        next_in: how long it takes until a queue that has nothing to do now gets something.
    """

    due: Sequence[Queue]
    next_in: timedelta


@dataclass(frozen=True, kw_only=True)
class _Due:
    event_id: UUID
    task: str
    begun_before: bool


def look_ahead(session: Session, *, at: datetime | None = None) -> Outlook:
    """Return what is due, and when there will be more.

    Args:
        at: the instant by which it is due; None is the database's now.
    """
    next_in: dict[str, timedelta] = {row.name: row.next_in for row in session.execute(_NEXT, {"at": at})}
    return Outlook(
        due=[queue for queue in Queue if next_in.get(queue, _NEVER) <= _AT_ONCE],
        next_in=min((pause for pause in next_in.values() if pause > _AT_ONCE), default=_NEVER),
    )


def lease_due(session: Session, queue: Queue, *, room: int, at: datetime | None = None) -> list[Parcel]:
    """Take the obligations that are due, in at most `room` parcels, oldest first.

    A quiet system gets one obligation a parcel (latency), a backlog up to 64 (throughput). What was begun
    before and did not come back travels alone, so that poison harms no neighbour twice. What is paused is
    parked, so that the next look does not meet it again.

    Args:
        at: the instant by which it is due; None is the database's now.
    """
    rows = session.execute(_DUE, {"queue": queue, "at": at, "most": room * BATCH}).all()
    park(session, [(row.task, row.event_id) for row in rows if row.paused])
    due = [
        _Due(event_id=row.event_id, task=row.task, begun_before=row.begun_before)
        for row in rows
        if not row.paused
    ]
    parcels = _pack(due, queue, room)
    leased = [(parcel.task, event_id, parcel.token) for parcel in parcels for event_id in parcel.event_ids]
    if leased:
        tasks, event_ids, tokens = map(list, zip(*leased, strict=True))
        told = {"tasks": tasks, "event_ids": event_ids, "tokens": tokens, "lease": LEASE}
        session.execute(_LEASE, told)
    return parcels


def _pack(due: Sequence[_Due], queue: Queue, room: int) -> list[Parcel]:
    size = min(BATCH, ceil(len(due) / room)) if due else 1
    groups = [[one] for one in due if one.begun_before]
    for task in dict.fromkeys(one.task for one in due):
        same = [one for one in due if one.task == task and not one.begun_before]
        groups += [same[i : i + size] for i in range(0, len(same), size)]
    # The oldest first, whether it travels alone or not: nobody waits behind a backlog that came later.
    position = {one: i for i, one in enumerate(due)}
    return [
        Parcel(
            token=new_id(), task=group[0].task, queue=queue, event_ids=tuple(one.event_id for one in group)
        )
        for group in sorted(groups, key=lambda group: position[group[0]])[:room]
    ]


def give_back(session: Session, parcels: Collection[Parcel]) -> None:
    """Undo leases whose messages could not be sent."""
    for parcel in parcels:
        session.execute(
            update(EventTaskRow)
            .where(
                EventTaskRow.task == parcel.task,
                EventTaskRow.event_id.in_(parcel.event_ids),
                EventTaskRow.token == parcel.token,
                EventTaskRow.started_at.is_(None),
            )
            .values(token=None, lease_until=None)
        )


def leases_ran_out(session: Session, *, at: datetime | None = None) -> bool:
    """Return whether there is anything for `take_back` to look at."""
    return session.scalar(_RAN_OUT, {"at": at}) is not None


def take_back(session: Session, waiting: Collection[UUID], *, at: datetime | None = None) -> int:
    """Decide over every lease that ran out; return how many obligations are due again.

    Not begun, and the message still waits in its queue: renew. Not begun otherwise: due again, at no charge.
    Begun: the run was lost, which counts as a failure.

    Args:
        waiting: tokens of the messages that stand in the queues.
    """
    rows = session.execute(
        select(
            EventTaskRow.task,
            EventTaskRow.event_id,
            EventTaskRow.token,
            EventTaskRow.started_at,
            EventTaskRow.failures,
        )
        .where(EventTaskRow.token.is_not(None), EventTaskRow.lease_until < (at or func.now()))
        .order_by(EventTaskRow.task, EventTaskRow.event_id)
        .limit(_MOST_AT_ONCE)
        .with_for_update(skip_locked=True)
    ).all()
    renewed = [row for row in rows if row.started_at is None and row.token in waiting]
    unsent = [row for row in rows if row.started_at is None and row.token not in waiting]
    lost = [row for row in rows if row.started_at is not None]
    _put(session, renewed, {"lease_until": func.now() + LEASE})
    _put(session, unsent, {"token": None, "lease_until": None})
    for failures in sorted({row.failures for row in lost}):
        same = [row for row in lost if row.failures == failures]
        _put(session, same, failure_values(failures + 1, _LOST))
    return len(unsent) + len(lost)


def _put(session: Session, rows: Collection[Any], values: Mapping[str, Any]) -> None:
    if rows:
        chosen = tuple_(EventTaskRow.task, EventTaskRow.event_id).in_(
            [(row.task, row.event_id) for row in rows]
        )
        session.execute(update(EventTaskRow).where(chosen).values(**values))
