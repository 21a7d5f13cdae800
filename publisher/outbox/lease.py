"""The relay's side: take what is due, and take back what was lost on the road."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Any
from uuid import UUID

from sqlalchemy import ScalarSelect, func, select, tuple_, update
from sqlalchemy.orm import Session

from publisher.events import Queue
from publisher.ids import new_id
from publisher.outbox.obligation import LEASE
from publisher.outbox.parking import park
from publisher.outbox.work import failure_values
from publisher.schema import EventTaskRow, PauseRow

BATCH = 64
"""Most obligations in one message."""
_FREE = EventTaskRow.token.is_(None) & ~EventTaskRow.stuck
_PAUSED = EventTaskRow.task.in_(select(PauseRow.task)).label("paused")
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
class _Due:
    event_id: UUID
    task: str
    begun_before: bool


def due_queues(session: Session, *, at: datetime | None = None) -> list[Queue]:
    """Return the queues for which something is due, the urgent one first."""
    due = [_next_due_at(queue) <= (at or func.now()) for queue in Queue]
    found = session.execute(select(*due)).one()
    return [queue for queue, is_due in zip(Queue, found, strict=True) if is_due]


def due_within(session: Session, span: timedelta) -> timedelta:
    """Return how long it takes until something comes due; `span` when nothing does before."""
    next_due_at = func.least(*(_next_due_at(queue) for queue in Queue))
    waiting = session.scalar(select(next_due_at - func.now()))
    return span if waiting is None else min(span, max(waiting, timedelta(0)))


def _next_due_at(queue: Queue) -> ScalarSelect[datetime]:
    # By its order the index is chosen, whatever PostgreSQL believes of how many rows a queue has: `EXISTS`
    # reads the whole table once most of it is parked.
    return (
        select(EventTaskRow.due_at)
        .where(EventTaskRow.queue == queue, _FREE)
        .order_by(EventTaskRow.due_at)
        .limit(1)
        .scalar_subquery()
    )


def lease_due(session: Session, queue: Queue, *, room: int, at: datetime | None = None) -> list[Parcel]:
    """Take the obligations that are due, in at most `room` parcels, oldest first.

    A quiet system gets one obligation a parcel (latency), a backlog up to 64 (throughput). What was begun
    before and did not come back travels alone, so that poison harms no neighbour twice. What is paused is
    parked, so that the next look does not meet it again.

    Args:
        at: the instant by which it is due; None is the database's now.
    """
    rows = session.execute(
        select(EventTaskRow.event_id, EventTaskRow.task, EventTaskRow.starts, _PAUSED)
        .where(
            EventTaskRow.queue == queue,
            _FREE,
            EventTaskRow.due_at <= (at or func.now()),
        )
        # Of one event's tasks `fan_out` comes before `feeds`: subscribers hear of it while feeds render.
        .order_by(EventTaskRow.due_at, EventTaskRow.event_id, EventTaskRow.task)
        .limit(room * BATCH)
        .with_for_update(skip_locked=True)
    ).all()
    park(session, [(row.task, row.event_id) for row in rows if row.paused])
    due = [
        _Due(event_id=row.event_id, task=row.task, begun_before=row.starts > 0)
        for row in rows
        if not row.paused
    ]
    parcels = _pack(due, queue, room)
    for parcel in parcels:
        session.execute(
            update(EventTaskRow)
            .where(EventTaskRow.task == parcel.task, EventTaskRow.event_id.in_(parcel.event_ids))
            .values(token=parcel.token, lease_until=func.now() + LEASE, started_at=None)
        )
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
    ran_out = select(EventTaskRow.event_id).where(
        EventTaskRow.token.is_not(None), EventTaskRow.lease_until < (at or func.now())
    )
    return session.scalar(select(ran_out.exists())) is True


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
