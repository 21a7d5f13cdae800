"""Send the past again: what failed, what was held, and what an endpoint was never given."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Insert,
    SQLColumnExpression,
    Update,
    and_,
    exists,
    func,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlalchemy.orm import Session, aliased

from publisher.database import Channel, wake
from publisher.events import EventType
from publisher.ids import first_id_of
from publisher.labels import LabelKind
from publisher.notify.endpoints import locked, require_enabled
from publisher.notify.filters import DELIVERED, Filter, asks_for, filter_of
from publisher.notify.outcome import DeliveryState
from publisher.schema import ArticleLabelRow, DeliveryRow, EndpointRow, LabelRow, MessageRow

_TRIGGER = "replay"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# A message's id bears the time of the clock that made it; its time is the database's.
_CLOCKS_APART = timedelta(days=1)
_ARTICLE_EVENTS = tuple(one for one in DELIVERED if one.startswith("article."))
_COLUMNS = (
    DeliveryRow.message_id,
    DeliveryRow.message_time,
    DeliveryRow.endpoint_id,
    DeliveryRow.article_id,
    DeliveryRow.sequence,
    DeliveryRow.shard,
    DeliveryRow.state,
    DeliveryRow.next_attempt_at,
    DeliveryRow.trigger,
)


class Replayable(StrEnum):
    """What can be sent again."""

    FAILED = "failed"
    HELD = "held"
    MISSING = "missing"


@dataclass(frozen=True, kw_only=True)
class Window:
    """Messages of this time: from `since`, before `until`; None is until now."""

    since: datetime
    until: datetime | None = None

    def holds(self, time: SQLColumnExpression[datetime]) -> ColumnElement[bool]:
        """Return the condition that a column lies in the window."""
        return and_(time >= self.since, time < (self.until or func.now()))

    @property
    def first_id(self) -> UUID:
        """An id that no message of the window is under, for indexes that know no times."""
        return first_id_of(max(self.since, _EPOCH) - _CLOCKS_APART)


def replay(
    session: Session, endpoint_id: UUID, window: Window, states: Collection[Replayable] = tuple(Replayable)
) -> int:
    """Make what failed, was held or is missing due now, once each; return how many.

    Missing is what the endpoint asks for today and was never given, from before it was made too. What was
    scrubbed is never sent again, and of an article only the newest revision goes out.
    Attempts are counted on: what had used them up gets one more.

    Raises:
        NotFound: when there is no such endpoint, or it was deleted.
        Conflict: when it is disabled.
    """
    row = locked(session, endpoint_id)
    require_enabled(row)
    stopped = [one.value for one in states if one is not Replayable.MISSING]
    replayed = _release(session, endpoint_id, window, stopped) if stopped else 0
    if Replayable.MISSING in states:
        replayed += _count(session, _adding_missing(row, window))
    if replayed:
        wake(session, Channel.DELIVERIES)
    return replayed


def _release(session: Session, endpoint_id: UUID, window: Window, states: Collection[str]) -> int:
    # In the order of their ids, like everybody who locks deliveries.
    chosen = (
        select(DeliveryRow.id)
        .join(MessageRow, _message_of(DeliveryRow))
        .where(
            DeliveryRow.endpoint_id == endpoint_id,
            # Not `IN`: only of one state at a time it is seen that a partial index has it.
            or_(*(DeliveryRow.state == one for one in states)),
            DeliveryRow.message_id >= window.first_id,
            window.holds(DeliveryRow.message_time),
            MessageRow.body.is_not(None),
        )
        .order_by(DeliveryRow.id)
        .with_for_update(of=DeliveryRow)
        .cte("chosen")
    )
    released = (
        update(DeliveryRow)
        .where(DeliveryRow.id.in_(select(chosen.c.id)))
        .values(state=DeliveryState.PENDING, next_attempt_at=func.now(), trigger=_TRIGGER)
    )
    return _count(session, released) - _count(session, _coalescing(endpoint_id))


def _coalescing(endpoint_id: UUID) -> Update:
    """Cancel what was just released and is older than what the endpoint has or gets."""
    newer = aliased(DeliveryRow)
    superseded = exists().where(
        newer.endpoint_id == endpoint_id,
        newer.article_id == DeliveryRow.article_id,
        newer.sequence > DeliveryRow.sequence,
        newer.state.in_([DeliveryState.PENDING, DeliveryState.SUCCEEDED]),
    )
    return (
        update(DeliveryRow)
        .where(
            DeliveryRow.endpoint_id == endpoint_id,
            DeliveryRow.state == DeliveryState.PENDING,
            DeliveryRow.trigger == _TRIGGER,
            DeliveryRow.next_attempt_at == func.now(),
            superseded,
        )
        .values(state=DeliveryState.CANCELLED, next_attempt_at=None)
    )


def _adding_missing(endpoint: EndpointRow, window: Window) -> Insert:
    wanted = filter_of(endpoint.filter)
    given = aliased(DeliveryRow)
    has_newer = exists().where(
        given.endpoint_id == endpoint.id,
        given.article_id == MessageRow.article_id,
        given.sequence >= MessageRow.sequence,
        given.state != DeliveryState.CANCELLED,
    )
    has_it = exists().where(given.endpoint_id == endpoint.id, given.message_id == MessageRow.id)
    missing = (
        select(
            MessageRow.id,
            MessageRow.time,
            literal(endpoint.id),
            MessageRow.article_id,
            MessageRow.sequence,
            literal(endpoint.shard),
            literal(DeliveryState.PENDING.value),
            func.now(),
            literal(_TRIGGER),
        )
        .ext(distinct_on(MessageRow.article_id))
        .where(
            window.holds(MessageRow.time),
            MessageRow.body.is_not(None),
            MessageRow.type.in_([one for one in _ARTICLE_EVENTS if asks_for(wanted, one)]),
            _concerns(endpoint.id, wanted),
            ~has_it,
            ~has_newer,
        )
        .order_by(MessageRow.article_id, MessageRow.sequence.desc())
    )
    return insert(DeliveryRow).from_select(_COLUMNS, missing).on_conflict_do_nothing()


def _concerns(endpoint_id: UUID, wanted: Filter) -> ColumnElement[bool]:
    """Return the condition that the endpoint is to learn of a message about an article.

    A retraction is for whoever was sent anything of the article; it has no categories any more.
    """
    was_sent = exists().where(
        DeliveryRow.endpoint_id == endpoint_id,
        DeliveryRow.article_id == MessageRow.article_id,
        DeliveryRow.attempts > 0,
    )
    is_retraction = MessageRow.type == EventType.ARTICLE_RETRACTED
    if wanted.slugs is None:
        return or_(~is_retraction, was_sent)
    bears_one = exists().where(
        ArticleLabelRow.article_id == MessageRow.article_id,
        ArticleLabelRow.label_id == LabelRow.id,
        LabelRow.kind == LabelKind.CATEGORY,
        LabelRow.slug.in_(wanted.slugs),
    )
    return or_(and_(~is_retraction, bears_one), and_(is_retraction, was_sent))


def _message_of(delivery: type[DeliveryRow]) -> ColumnElement[bool]:
    # The day stands in the join, so that only the partitions of these days are read.
    return and_(MessageRow.id == delivery.message_id, MessageRow.time == delivery.message_time)


def _count(session: Session, statement: Insert | Update) -> int:
    """Run a statement and return how many rows it wrote, without moving them here."""
    written = statement.returning(DeliveryRow.id).cte("written")
    return session.scalar(select(func.count()).select_from(written)) or 0
