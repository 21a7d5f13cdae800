"""The operators' side: what waits, what is stuck, what an article went through; and send it again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select, tuple_, update
from sqlalchemy.orm import Session

from publisher.database import Channel, wake
from publisher.schema import EventRow, EventTaskRow, StepRow

SLICE = 5_000
"""Obligations in one transaction."""


@dataclass(frozen=True, kw_only=True)
class Backlog:
    """What one task has before it.

    Attributes:
        waiting: due, and nobody has it; embargoes are not due.
        in_flight: leased, whether begun or still in a queue.
        oldest_age_s: of the oldest that is due; None when nothing is.
    """

    waiting: int
    in_flight: int
    oldest_age_s: float | None
    stuck: int


@dataclass(frozen=True, kw_only=True)
class Stuck:
    """An obligation that waits for an operator."""

    event_id: UUID
    task: str
    subject: UUID
    failures: int
    last_error: str | None


@dataclass(frozen=True, kw_only=True)
class Step:
    """Something that an article went through.

    Attributes:
        kind: `event` or `task`.
        outcome: of a task: a word when it ended, `waiting`, `running`, `scheduled`, `failing` (it is
            tried again at that time) or `stuck` before.
    """

    at: datetime
    kind: str
    name: str
    duration_ms: float | None
    outcome: str


def backlogs(session: Session) -> dict[str, Backlog]:
    """Return the backlog of each task that has one, by the task's name."""
    free = EventTaskRow.token.is_(None) & ~EventTaskRow.stuck & (EventTaskRow.due_at <= func.now())
    oldest = func.min(EventTaskRow.due_at).filter(~EventTaskRow.stuck, EventTaskRow.due_at <= func.now())
    rows = session.execute(
        select(
            EventTaskRow.task,
            func.count().filter(free).label("waiting"),
            func.count().filter(EventTaskRow.token.is_not(None)).label("in_flight"),
            func.extract("epoch", func.now() - oldest).label("oldest_age_s"),
            func.count().filter(EventTaskRow.stuck).label("stuck"),
        ).group_by(EventTaskRow.task)
    ).all()
    return {
        row.task: Backlog(
            waiting=row.waiting,
            in_flight=row.in_flight,
            oldest_age_s=None if row.oldest_age_s is None else round(float(row.oldest_age_s), 3),
            stuck=row.stuck,
        )
        for row in rows
    }


def stuck(session: Session, *, limit: int = 1_000) -> list[Stuck]:
    """Return the obligations that are stuck, oldest first."""
    rows = session.scalars(
        select(EventTaskRow)
        .where(EventTaskRow.stuck)
        .order_by(EventTaskRow.event_id, EventTaskRow.task)
        .limit(limit)
    )
    return [
        Stuck(
            event_id=row.event_id,
            task=row.task,
            subject=row.subject,
            failures=row.failures,
            last_error=row.last_error,
        )
        for row in rows
    ]


def count_stuck(session: Session) -> int:
    """Return how many obligations are stuck."""
    return session.scalar(select(func.count()).where(EventTaskRow.stuck)) or 0


def replay(session: Session, event_ids: Sequence[UUID] | None) -> int:
    """Make stuck obligations due again, with their failures forgotten; return how many.

    Args:
        event_ids: None: the oldest of all, a slice; fewer than a slice: nothing is left.
    """
    wanted = select(EventTaskRow.task, EventTaskRow.event_id).where(EventTaskRow.stuck)
    if event_ids is not None:
        wanted = wanted.where(EventTaskRow.event_id.in_(event_ids))
    else:
        wanted = wanted.order_by(EventTaskRow.event_id).limit(SLICE)
    chosen = wanted.with_for_update(skip_locked=True).cte("chosen")
    replayed = session.execute(
        update(EventTaskRow)
        .where(tuple_(EventTaskRow.task, EventTaskRow.event_id).in_(select(chosen.c.task, chosen.c.event_id)))
        .values(stuck=False, failures=0, due_at=func.now())
        .returning(EventTaskRow.event_id)
    ).all()
    if replayed:
        wake(session, Channel.OUTBOX)
    return len(replayed)


def steps_of(session: Session, subject: UUID) -> list[Step]:
    """Return the events of an article and the tasks that they obliged, in the order of time."""
    events = session.execute(select(EventRow.time, EventRow.type).where(EventRow.subject == subject)).all()
    ended = session.scalars(select(StepRow).where(StepRow.subject == subject)).all()
    owed = session.scalars(select(EventTaskRow).where(EventTaskRow.subject == subject)).all()
    now = session.scalar(select(func.now()))
    assert now is not None
    steps = [
        Step(at=row.time, kind="event", name=row.type, duration_ms=None, outcome="recorded") for row in events
    ]
    steps += [
        Step(
            at=row.started_at,
            kind="task",
            name=row.task,
            duration_ms=round((row.ended_at - row.started_at).total_seconds() * 1000, 1),
            outcome=row.outcome,
        )
        for row in ended
    ]
    steps += [
        Step(at=row.due_at, kind="task", name=row.task, duration_ms=None, outcome=_state(row, now))
        for row in owed
    ]
    return sorted(steps, key=lambda step: step.at)


def _state(row: EventTaskRow, now: datetime) -> str:
    if row.stuck:
        return "stuck"
    if row.started_at is not None:
        return "running"
    if row.failures:
        return "failing"
    return "scheduled" if row.due_at > now else "waiting"
