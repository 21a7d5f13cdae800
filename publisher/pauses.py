"""What an operator holds back: a stage, all deliveries, or a single endpoint; since when, and why.

Whatever has begun goes on to its end. Nothing is lost by a pause, and nothing gets stuck by it: what is held
back waits in the record, in its order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Boolean, Label, delete, literal_column, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from publisher.database import Channel, wake
from publisher.schema import PauseRow

# PostgreSQL gives a row that was there before, and was updated, the id of who updated it.
_IS_NEW: Label[bool] = literal_column("pause.xmax = 0", Boolean).label("is_new")


class Stage(StrEnum):
    """What can be paused as a whole, in the order in which an article meets it."""

    ENRICH = "enrich"
    PUBLISH = "publish"
    FEEDS = "feeds"
    FAN_OUT = "fan_out"
    DELIVER = "deliver"


@dataclass(frozen=True, kw_only=True)
class Pause:
    """That something is held back.

    Attributes:
        what: the name of a stage, or the id of an endpoint.
    """

    what: str
    since: datetime
    reason: str | None


def tasks_of(stage: Stage) -> tuple[str, ...]:
    """Return the names of the tasks that a stage consists of."""
    return ("feeds", "push") if stage is Stage.FEEDS else (stage.value,)


def pause(session: Session, stage: Stage, *, reason: str | None) -> tuple[Pause, bool]:
    """Let nothing of a stage begin any more; return the pause, and whether it is new.

    A stage that is paused already stays so, with the reason that was given first.
    """
    return hold_back(session, tasks_of(stage), reason=reason)


def resume(session: Session, stage: Stage) -> Pause | None:
    """Let a stage go on; return the pause that ended, or None if there was none.

    What relays have put aside comes back in slices: see `outbox.parking`.
    """
    ended = let_go(session, tasks_of(stage))
    if ended is not None:
        wake(session, Channel.DELIVERIES if stage is Stage.DELIVER else Channel.OUTBOX)
    return ended


def pauses(session: Session) -> list[Pause]:
    """Return everything that is held back, the oldest first."""
    rows = session.scalars(select(PauseRow).order_by(PauseRow.since, PauseRow.task))
    hidden = {task for stage in Stage for task in tasks_of(stage)[1:]}
    return [_pause(row) for row in rows if row.task not in hidden]


def hold_back(session: Session, names: Sequence[str], *, reason: str | None) -> tuple[Pause, bool]:
    """Record a pause under its names; return it as it stands, and whether it is new."""
    # What stands already is written again as it is: so it is returned, whoever else resumes meanwhile.
    made = insert(PauseRow).on_conflict_do_update(
        index_elements=[PauseRow.task], set_={"task": PauseRow.task}
    )
    rows = session.execute(
        made.values([{"task": name, "reason": reason} for name in names]).returning(PauseRow, _IS_NEW)
    ).all()
    return _pause(rows[0].PauseRow), any(row.is_new for row in rows)


def let_go(session: Session, names: Sequence[str]) -> Pause | None:
    """Remove the record of a pause; return it, or None if there was none."""
    rows = session.scalars(delete(PauseRow).where(PauseRow.task.in_(names)).returning(PauseRow)).all()
    ended = sorted((_pause(row) for row in rows), key=lambda one: names.index(one.what))
    return ended[0] if ended else None


def _pause(row: PauseRow) -> Pause:
    return Pause(what=row.task, since=row.since, reason=row.reason)
