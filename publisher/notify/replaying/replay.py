"""Send the past again, a slice at a time: what failed, what was held, what an endpoint was never given."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CTE,
    ColumnElement,
    Insert,
    Update,
    case,
    func,
    literal,
    null,
    select,
    type_coerce,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from publisher.database import Channel, wake
from publisher.errors import NotFound
from publisher.events import EventType
from publisher.notify.endpoints.filters import filter_of
from publisher.notify.endpoints.store import locked, read, require_enabled
from publisher.notify.locking import locking
from publisher.notify.outcome import DeliveryState
from publisher.notify.replaying.past import Past, past_of
from publisher.notify.replaying.selection import Selection, Stretch
from publisher.outbox.emit import emit
from publisher.outbox.obligation import Done, Fate, Obligation, Postponed
from publisher.schema import DeliveryRow, EndpointRow

SLICE = 2_000
"""Messages in one transaction: whoever wants to lock the endpoint must not wait long."""

_TRIGGER = "replay"
_INSTANT = DeliveryRow.next_attempt_at.type
_COLUMNS = ("message_id", "message_time", "article_id", "sequence")


@dataclass(frozen=True, kw_only=True)
class _Sent:
    """What one slice came to.

    Attributes:
        count: of deliveries that are due again.
        due_at: when the first one of the next slice comes due.
    """

    count: int
    due_at: datetime


def replay(session: Session, endpoint_id: UUID, past: Past, *, traceparent: str | None = None) -> int:
    """Make what is wanted of the past due again, once each; return how many deliveries that are.

    The first slice is done here, the rest is owed (`store_replays`). What is published from now on is none
    of it. They come due one after the other, so that what is published meanwhile finds room among them.
    Attempts are counted on: what had used them up gets one more.

    Raises:
        NotFound: when there is no such endpoint, or it was deleted.
        Conflict: when it is disabled.
    """
    at = session.execute(select(func.now())).scalar_one()
    past = past.closed(at)
    selection = Selection(endpoint_id=endpoint_id, asks=read(session, endpoint_id).filter, past=past)
    last = session.scalar(selection.end_of(SLICE, Stretch()))
    # Before anything is locked: there may be much to count.
    later = 0 if last is None else selection.count(session, Stretch(after=last))
    endpoint = locked(session, endpoint_id)
    require_enabled(endpoint)
    sent = _send(session, endpoint, selection, Stretch(last=last), due_at=at)
    if last is not None:
        data = {**past.as_json(), "requested_at": at.isoformat(), **_cursor(last, sent)}
        emit(session, EventType.REPLAY_REQUESTED, endpoint_id, data, traceparent=traceparent)
    return sent.count + later


def store_replays(session: Session, replays: Mapping[Obligation, Obligation]) -> dict[Obligation, Fate]:
    """Do the next slice of the oldest replay; the others are due again.

    One endpoint a transaction: deliveries are locked in the order of their ids, by whomever.
    """
    first, *others = replays
    return {first: _go_on(session, first), **dict.fromkeys(others, Postponed())}


def _go_on(session: Session, one: Obligation) -> Fate:
    try:
        endpoint = locked(session, one.subject)
    except NotFound:
        return Done(outcome="deleted")
    if not endpoint.enabled:
        # As what waits for it: after it was enabled again, that takes a replay.
        return Done(outcome="disabled")
    selection = Selection(
        endpoint_id=endpoint.id,
        asks=filter_of(endpoint.filter),
        past=past_of(one.data),
        untried_since=datetime.fromisoformat(one.data["requested_at"]),
    )
    after = UUID(one.data["after"])
    last = session.scalar(selection.end_of(SLICE, Stretch(after=after)))
    due_at = datetime.fromisoformat(one.data["due_at"])
    sent = _send(session, endpoint, selection, Stretch(after=after, last=last), due_at=due_at)
    if last is None:
        return Done(outcome="replayed")
    return Postponed(data={**one.data, **_cursor(last, sent)})


def _cursor(last: UUID, sent: _Sent) -> dict[str, Any]:
    return {"after": str(last), "due_at": sent.due_at.isoformat()}


def _send(
    session: Session, endpoint: EndpointRow, selection: Selection, stretch: Stretch, *, due_at: datetime
) -> _Sent:
    """Make a stretch due, the oldest message first.

    Args:
        endpoint: locked.
        due_at: not before this instant.
    """
    # What failed or was held.
    session.execute(locking(selection.stopped, selection.lies_in(DeliveryRow.message_id, stretch)))
    chosen = selection.chosen(stretch).cte("chosen")
    number = func.count().filter(~chosen.c.superseded).over(order_by=chosen.c.message_id)
    placed = select(chosen, number.label("number")).cte("placed")
    pause = literal(selection.past.pause_between(endpoint.rate_per_s))
    begin = func.greatest(func.now(), literal(due_at, _INSTANT))
    turn = type_coerce(begin + (placed.c.number - 1) * pause, _INSTANT)
    count = func.count().filter(~placed.c.superseded)
    written = [_releasing(placed, turn).cte("released"), _adding(placed, endpoint, turn).cte("added")]
    done = session.execute(
        select(count.label("deliveries"), type_coerce(begin + count * pause, _INSTANT).label("due_at"))
        .select_from(placed)
        .add_cte(*written)
    ).one()
    if done.deliveries:
        wake(session, Channel.DELIVERIES)
    return _Sent(count=done.deliveries, due_at=done.due_at)


def _releasing(placed: CTE, turn: ColumnElement[datetime]) -> Update:
    """Let what failed or was held come due in its turn, or give way to what is newer."""
    superseded = placed.c.superseded
    return (
        update(DeliveryRow)
        .where(DeliveryRow.id == placed.c.delivery_id)
        .values(
            state=case((superseded, DeliveryState.CANCELLED), else_=DeliveryState.PENDING),
            next_attempt_at=case((superseded, null()), else_=turn),
            trigger=case((superseded, DeliveryRow.trigger), else_=_TRIGGER),
        )
    )


def _adding(placed: CTE, endpoint: EndpointRow, turn: ColumnElement[datetime]) -> Insert:
    """Owe what is missing; what was given to the endpoint meanwhile stays as it is."""
    columns = {
        **{name: placed.c[name] for name in _COLUMNS},
        "endpoint_id": literal(endpoint.id),
        "shard": literal(endpoint.shard),
        "state": literal(DeliveryState.PENDING.value),
        "next_attempt_at": turn,
        "trigger": literal(_TRIGGER),
    }
    missing = select(*columns.values()).where(placed.c.delivery_id.is_(None), ~placed.c.superseded)
    return insert(DeliveryRow).from_select(list(columns), missing).on_conflict_do_nothing()
