"""The relay's side: take what is due, and take back what was lost on the road."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from uuid import UUID

from sqlalchemy import func, literal, select, union_all, update
from sqlalchemy.orm import Session

from publisher.events import Queue
from publisher.ids import new_id
from publisher.outbox.obligation import LEASE
from publisher.outbox.work import failure_values
from publisher.schema import EventTaskRow

BATCH = 64
"""Most obligations in one message."""
_FREE = EventTaskRow.token.is_(None) & ~EventTaskRow.stuck
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
    due = [
        select(literal(queue.value).label("queue")).where(
            select(EventTaskRow.event_id)
            .where(EventTaskRow.queue == queue, _FREE, EventTaskRow.due_at <= (at or func.now()))
            .exists()
        )
        for queue in Queue
    ]
    found = set(session.scalars(union_all(*due)))
    return [queue for queue in Queue if queue in found]


def lease_due(session: Session, queue: Queue, *, room: int, at: datetime | None = None) -> list[Parcel]:
    """Take the obligations that are due, in at most `room` parcels, oldest first.

    A quiet system gets one obligation a parcel (latency), a backlog up to 64 (throughput). What was begun
    before and did not come back travels alone, so that poison harms no neighbour twice.

    Args:
        at: the instant by which it is due; None is the database's now.
    """
    rows = session.execute(
        select(EventTaskRow.event_id, EventTaskRow.task, EventTaskRow.starts)
        .where(
            EventTaskRow.queue == queue,
            _FREE,
            EventTaskRow.due_at <= (at or func.now()),
        )
        .order_by(EventTaskRow.due_at, EventTaskRow.event_id)
        .limit(room * BATCH)
        .with_for_update(skip_locked=True)
    ).all()
    due = [_Due(event_id=row.event_id, task=row.task, begun_before=row.starts > 0) for row in rows]
    parcels = _pack(due, queue, room)
    for parcel in parcels:
        session.execute(
            update(EventTaskRow)
            .where(EventTaskRow.task == parcel.task, EventTaskRow.event_id.in_(parcel.event_ids))
            .values(token=parcel.token, lease_until=func.now() + LEASE, started_at=None)
        )
    return parcels


def _pack(due: Collection[_Due], queue: Queue, room: int) -> list[Parcel]:
    size = min(BATCH, ceil(len(due) / room)) if due else 1
    alone = [[one] for one in due if one.begun_before]
    together: list[list[_Due]] = []
    for task in dict.fromkeys(one.task for one in due):
        same = [one for one in due if one.task == task and not one.begun_before]
        together += [same[i : i + size] for i in range(0, len(same), size)]
    return [
        Parcel(
            token=new_id(), task=group[0].task, queue=queue, event_ids=tuple(one.event_id for one in group)
        )
        for group in (together + alone)[:room]
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
    now = at or func.now()
    ran_out = (
        select(
            EventTaskRow.task,
            EventTaskRow.event_id,
            EventTaskRow.token,
            EventTaskRow.started_at,
            EventTaskRow.failures,
        )
        .where(EventTaskRow.token.is_not(None), EventTaskRow.lease_until < now)
        .order_by(EventTaskRow.task, EventTaskRow.event_id)
        .with_for_update(skip_locked=True)
    )
    again = 0
    for row in session.execute(ran_out).all():
        this = update(EventTaskRow).where(
            EventTaskRow.task == row.task, EventTaskRow.event_id == row.event_id
        )
        if row.started_at is None and row.token in waiting:
            session.execute(this.values(lease_until=func.now() + LEASE))
            continue
        again += 1
        if row.started_at is None:
            session.execute(this.values(token=None, lease_until=None))
        else:
            session.execute(this.values(**failure_values(row.failures + 1, _LOST)))
    return again
