"""The worker's side: begin under a token, hold what is still ours, strike off what is done."""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, bindparam, func, insert, literal_column, text, update
from sqlalchemy.orm import Session

from publisher.events import EventType
from publisher.outbox.obligation import LEASE, Done, Failed, Fate, Obligation, Postponed, pause_after
from publisher.schema import EventTaskRow, StepRow
from publisher.schema.row import table

_ERROR_LENGTH = 2_000
_IDS = bindparam("event_ids", type_=ARRAY(Uuid))
# What stood in Redis when its stage was paused is not begun: its lease runs out, and the relay puts it aside.
_BEGIN = text("""
UPDATE event_task SET started_at = now(), starts = starts + 1, lease_until = now() + :lease
WHERE task = :task AND event_id = ANY(:event_ids) AND token = :token AND started_at IS NULL
  AND task NOT IN (SELECT task FROM pause)
RETURNING event_id, type, subject, data, due_at, started_at, failures, traceparent
""").bindparams(_IDS)
_HOLD = text("""
SELECT event_id FROM event_task
WHERE task = :task AND event_id = ANY(:event_ids) AND token = :token
ORDER BY event_id FOR UPDATE
""").bindparams(_IDS)
_STRIKE_OFF = text("""
DELETE FROM event_task WHERE task = :task AND event_id = ANY(:event_ids)
""").bindparams(_IDS)
_RECORD = insert(table(StepRow)).values(ended_at=literal_column("clock_timestamp()"))


def begin(session: Session, task: str, event_ids: Sequence[UUID], token: UUID) -> list[Obligation]:
    """Start what this token was leased for and nobody has begun; the rest is somebody else's by now."""
    rows = session.execute(
        _BEGIN, {"task": task, "event_ids": list(event_ids), "token": token, "lease": LEASE}
    ).all()
    return [
        Obligation(
            event_id=row.event_id,
            task=task,
            type=EventType(row.type),
            subject=row.subject,
            data=row.data,
            queued_at=row.due_at,
            started_at=row.started_at,
            failures=row.failures,
            traceparent=row.traceparent,
        )
        for row in sorted(rows, key=lambda row: row.event_id)
    ]


def hold(session: Session, obligations: Collection[Obligation], token: UUID) -> list[Obligation]:
    """Lock the obligations that still carry the token, until the transaction ends; return those.

    A process that slept past its lease finds none of its work here: it changes nothing.
    """
    if not obligations:
        return []
    told = {
        "task": next(iter(obligations)).task,
        "event_ids": [one.event_id for one in obligations],
        "token": token,
    }
    held = set(session.scalars(_HOLD, told))
    return [one for one in obligations if one.event_id in held]


def settle(session: Session, fates: Mapping[Obligation, Fate]) -> None:
    """Record what became of obligations that are held: done, due again, or failed."""
    done = {one: fate for one, fate in fates.items() if isinstance(fate, Done)}
    if done:
        _strike_off(session, done)
    for one, fate in fates.items():
        if isinstance(fate, Postponed):
            _put(session, one, _postponed_values(fate))
        elif isinstance(fate, Failed):
            _put(session, one, failure_values(one.failures + 1, fate.error))


def hand_back(
    session: Session, obligations: Collection[Obligation], *, pause: timedelta | None = None
) -> None:
    """Return held work as not begun: there was no time, or no room, left for it.

    Args:
        pause: after which it comes due again; None: where it stood.
    """
    for one in obligations:
        values: dict[str, Any] = {
            "token": None,
            "lease_until": None,
            "started_at": None,
            "starts": EventTaskRow.starts - 1,
        }
        if pause is not None:
            values["due_at"] = func.now() + pause
        _put(session, one, values)


def failure_values(failures: int, error: str) -> dict[str, Any]:
    """Return the columns of an obligation that failed for the n-th time."""
    pause = pause_after(failures)
    return {
        "token": None,
        "lease_until": None,
        "started_at": None,
        "failures": failures,
        "last_error": error[:_ERROR_LENGTH],
        "stuck": pause is None,
        "due_at": func.now() if pause is None else func.now() + pause,
    }


def _strike_off(session: Session, done: Mapping[Obligation, Done]) -> None:
    task = next(iter(done)).task
    session.execute(_STRIKE_OFF, {"task": task, "event_ids": [one.event_id for one in done]})
    session.execute(
        _RECORD,
        [
            {
                "event_id": one.event_id,
                "task": one.task,
                "type": one.type,
                "subject": one.subject,
                "queued_at": one.queued_at,
                "started_at": one.started_at,
                "outcome": fate.outcome,
            }
            for one, fate in done.items()
        ],
    )


def _postponed_values(fate: Postponed) -> dict[str, Any]:
    values: dict[str, Any] = {
        "token": None,
        "lease_until": None,
        "started_at": None,
        "starts": 0,
        "failures": 0,
        "due_at": fate.at or func.now(),
    }
    return values if fate.data is None else {**values, "data": dict(fate.data)}


def _put(session: Session, one: Obligation, values: Mapping[str, Any]) -> None:
    session.execute(
        update(EventTaskRow)
        .where(EventTaskRow.task == one.task, EventTaskRow.event_id == one.event_id)
        .values(**values)
    )
