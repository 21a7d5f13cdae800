"""What has to be done now and then, whatever comes in: room for the coming days, and what is old dropped."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import delete, func, select, text, tuple_
from sqlalchemy.orm import Session

from publisher.briefly import Hindered, briefly
from publisher.events import EventType
from publisher.notify.websub.ending import SLICE as SUBSCRIPTIONS
from publisher.notify.websub.ending import end_expired
from publisher.notify.websub.topics import forget_unused
from publisher.outbox.emit import emit
from publisher.outbox.obligation import Fate, Obligation, Postponed
from publisher.outdated import owe_outdated
from publisher.partitions import prepare_partitions
from publisher.prune.parts import START, Place
from publisher.prune.retention import Retention
from publisher.prune.slices import EVERYTHING, prune_slice
from publisher.schema import EventTaskRow, IdempotencyRow

EVERY = timedelta(hours=1)
ANSWERS_KEPT = timedelta(hours=24)
"""How long the answer to a request with an `Idempotency-Key` is remembered."""

_HOUSE = UUID(int=0)
_SLICE = 5_000
_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(7161020)")
# Of the walk through all rows that lie among newer ones, which reads each page once.
_WALK_EVERY = timedelta(days=1)
_AFTER_HINDRANCE = timedelta(seconds=30)
# Before the next day is tried to be taken out: others wait behind each try.
_BETWEEN_TRIES = timedelta(seconds=1)
_PART, _PAGE, _STEP = "part", "page", "step"
_HINDERED, _RESTS, _WALKED_AT = "hindered", "rests", "walked_at"
log = structlog.get_logger("publisher.housekeeping")


class Room(StrEnum):
    """What became of the partitions of the coming days."""

    THERE_ALREADY = "there already"
    MADE = "made"
    HINDERED = "hindered"


def begin_housekeeping(session: Session) -> None:
    """Owe the work for the first time; it comes due again by itself. Once more changes nothing."""
    session.execute(_ONE_AT_A_TIME)
    owed = select(EventTaskRow.event_id).where(EventTaskRow.type == EventType.HOUSEKEEPING_DUE).exists()
    if not session.scalar(select(owed)):
        emit(session, EventType.HOUSEKEEPING_DUE, _HOUSE)


def keep_house(
    session: Session, obligations: Mapping[Obligation, Obligation], *, retention: Retention
) -> dict[Obligation, Fate]:
    """Prepare what the coming days need, forget a slice of what ran out, and prune a slice of what is old.

    Now and then owe a slice of what an older version of the code has stored for readers. Due again in an
    hour, or at once while there is more; soon, when somebody reads the tables all the time.
    """
    at = session.scalar(select(func.now()))
    assert at is not None
    room = _room_made(session, at)
    if room is not Room.THERE_ALREADY:
        # The tables are locked for everybody until the commit: nothing else is done in this transaction.
        again = Postponed(at=at + _AFTER_HINDRANCE) if room is Room.HINDERED else Postponed()
        return dict.fromkeys(obligations, again)
    if _forget_answers(session, before=at - ANSWERS_KEPT) == _SLICE:
        return {one: Postponed() for one in obligations}
    _forget_rebuilds(session)
    if end_expired(session) == SUBSCRIPTIONS:
        return {one: Postponed() for one in obligations}
    forget_unused(session)
    soon = owe_outdated(session) if any(_PART not in one.data for one in obligations) else None
    fates = {one: _prune(session, one.data, retention, at) for one in obligations}
    return {one: _sooner(fate, at + soon) if soon else fate for one, fate in fates.items()}


def _room_made(session: Session, at: datetime) -> Room:
    connection = session.connection()
    try:
        with briefly(connection, "partitions"):
            return Room.MADE if prepare_partitions(connection, at=at) else Room.THERE_ALREADY
    except Hindered as hindrance:
        log.warning("housekeeping.hindered", reason=str(hindrance))
        return Room.HINDERED


def _forget_rebuilds(session: Session) -> None:
    # Documents are stored no more and nobody knows the task, but workers of the version before owe it still.
    session.execute(delete(EventTaskRow).where(EventTaskRow.task == "rebuild"))


def _prune(session: Session, data: Mapping[str, Any], retention: Retention, at: datetime) -> Postponed:
    """Do a slice; where it goes on stands in the data of the obligation."""
    walked_at, rests = data.get(_WALKED_AT), _rests(data, at)
    done = prune_slice(session, retention.old(at=at), _place(data), whole_days=rests)
    if done.what == EVERYTHING:
        return Postponed(at=at + _AFTER_HINDRANCE)
    if done.hindered:
        log.warning("housekeeping.hindered", reason=done.hindered)
    hindered = bool(done.hindered or data.get(_HINDERED))
    if done.place is None:
        pause = _AFTER_HINDRANCE if hindered else EVERY
        return Postponed(at=at + pause, data={_WALKED_AT: walked_at if rests else at.isoformat()})
    return Postponed(
        at=at + _BETWEEN_TRIES if done.hindered else None,
        data={
            _WALKED_AT: walked_at,
            _RESTS: rests,
            _HINDERED: hindered,
            _PART: done.place.part,
            _PAGE: done.place.page,
            _STEP: done.place.step,
        },
    )


def _sooner(fate: Postponed, at: datetime) -> Postponed:
    return replace(fate, at=min(fate.at, at)) if fate.at else fate


def _rests(data: Mapping[str, Any], at: datetime) -> bool:
    """Return whether a pass walks through no rows: what it began as holds until its end."""
    if _PART in data:
        # An older release did not note it: what it began does not count as a walk.
        return bool(data.get(_RESTS, True))
    walked_at = data.get(_WALKED_AT)
    return walked_at is not None and at < datetime.fromisoformat(walked_at) + _WALK_EVERY


def _place(data: Mapping[str, Any]) -> Place:
    if _PART not in data:
        return START
    return Place(part=data[_PART], page=data[_PAGE], step=data.get(_STEP, 0))


def _forget_answers(session: Session, *, before: datetime) -> int:
    old = (
        select(IdempotencyRow.api_key_id, IdempotencyRow.key)
        .where(IdempotencyRow.created_at < before)
        .order_by(IdempotencyRow.created_at)
        .limit(_SLICE)
    )
    chosen = tuple_(IdempotencyRow.api_key_id, IdempotencyRow.key).in_(old)
    return len(session.execute(delete(IdempotencyRow).where(chosen).returning(IdempotencyRow.key)).all())
