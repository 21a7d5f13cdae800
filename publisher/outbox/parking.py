"""Put paused work where no relay looks, and bring it back: a long backlog costs nothing while it waits."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import ARRAY, Text, bindparam, func, select, text, tuple_, update
from sqlalchemy.orm import Session

from publisher.database import Channel, routes_of, wake
from publisher.events import Queue
from publisher.schema import EventTaskRow, PauseRow

SLICE = 5_000
"""Obligations in one transaction."""

_SEPARATOR = "/"
# One look into the index a name, however much is parked under the others.
_FILLED = text("""
SELECT name FROM unnest(:names) AS name CROSS JOIN LATERAL (
    SELECT FROM event_task WHERE queue = name AND token IS NULL AND NOT stuck ORDER BY due_at LIMIT 1
) AS first
""").bindparams(bindparam("names", type_=ARRAY(Text)))


def park(session: Session, obligations: Collection[tuple[str, UUID]]) -> None:
    """Move obligations, by task and event, out of their queue; the caller has locked them."""
    if obligations:
        session.execute(
            update(EventTaskRow)
            .where(tuple_(EventTaskRow.task, EventTaskRow.event_id).in_(obligations))
            .values(queue=EventTaskRow.queue.concat(_SEPARATOR).concat(EventTaskRow.task))
        )


def bring_back(session: Session) -> int:
    """Return a slice of what is parked and not paused any more to its queue; return how many.

    Takedowns come first. Fewer than a slice: nothing is left.
    """
    paused = set(session.scalars(select(PauseRow.task)))
    tasks = sorted({task for tasks in routes_of(session).values() for task in tasks} - paused)
    names = [f"{queue}{_SEPARATOR}{task}" for queue in Queue for task in tasks]
    # Nearly always there are none, and then this is all that it costs.
    filled = set(session.scalars(_FILLED, {"names": names}))
    moved = 0
    for name in names:
        if name in filled and moved < SLICE:
            moved += _move(session, name, SLICE - moved)
    if moved:
        wake(session, Channel.OUTBOX)
    return moved


def _move(session: Session, name: str, most: int) -> int:
    chosen = (
        select(EventTaskRow.task, EventTaskRow.event_id)
        .where(EventTaskRow.queue == name, EventTaskRow.token.is_(None), ~EventTaskRow.stuck)
        .order_by(EventTaskRow.due_at)
        .limit(most)
        .with_for_update(skip_locked=True)
        .cte("chosen")
    )
    moved = (
        update(EventTaskRow)
        .where(tuple_(EventTaskRow.task, EventTaskRow.event_id).in_(select(chosen.c.task, chosen.c.event_id)))
        .values(queue=func.split_part(EventTaskRow.queue, _SEPARATOR, 1))
        .returning(EventTaskRow.event_id)
        .cte("moved")
    )
    return session.scalar(select(func.count()).select_from(moved)) or 0
