"""Which messages an endpoint is sent again, as conditions of SQL; nothing here changes anything."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Exists,
    Select,
    SQLColumnExpression,
    and_,
    exists,
    false,
    func,
    or_,
    select,
    true,
    tuple_,
)
from sqlalchemy.orm import Session, aliased

from publisher.events import EventType
from publisher.labels import LabelKind
from publisher.notify.endpoints.filters import DELIVERED, Filter, asks_for
from publisher.notify.outcome import DeliveryState
from publisher.notify.replaying.past import Past, Replayable
from publisher.schema import ArticleLabelRow, AttemptRow, DeliveryRow, LabelRow, MessageRow

_ARTICLE_EVENTS = tuple(one for one in DELIVERED if one.startswith("article."))
_ARRIVES = (DeliveryState.PENDING, DeliveryState.SUCCEEDED)
_Message = type[MessageRow]
_Delivery = type[DeliveryRow]


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """Messages by their ids: those after the first one, up to and with the last one; None: no bound."""

    after: UUID | None = None
    last: UUID | None = None


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What of the past an endpoint is sent again.

    What failed or was held, and what is missing: what the endpoint asks for and was never given. What was
    scrubbed never is, and of an article only the newest revision is.

    Attributes:
        asks: the endpoint's filter.
        untried_since: what has been tried since this instant is not sent again; None: whenever it was.
    """

    endpoint_id: UUID
    asks: Filter
    past: Past
    untried_since: datetime | None = None

    def end_of(self, messages: int, stretch: Stretch) -> Select[UUID]:
        """Return the id of the n-th message of a stretch that may be one; none, if there are fewer."""
        window, article_id = self.past.window, self.past.article_id
        if Replayable.MISSING in self.past.states:
            column = MessageRow.id
            about = true() if article_id is None else MessageRow.article_id == article_id
            chosen = and_(window.holds(MessageRow.time), about)
        else:
            column = DeliveryRow.message_id
            about = true() if article_id is None else DeliveryRow.article_id == article_id
            chosen = and_(self.stopped, window.holds(DeliveryRow.message_time), about)
        found = select(column).where(chosen, self.lies_in(column, stretch))
        return found.order_by(column).offset(messages - 1).limit(1)

    def count(self, session: Session, stretch: Stretch) -> int:
        """Return how many of a stretch are sent again."""
        newest = (~one for one in self._superseding)
        counted = self.chosen(stretch).where(*newest).with_only_columns(func.count())
        return session.scalar(counted) or 0

    def chosen(self, stretch: Stretch) -> Select[UUID, datetime, UUID | None, int | None, UUID, bool]:
        """Return a row a message: `delivery_id` is null where it is missing, `superseded` where a newer
        revision is, or was, sent instead."""
        return (
            select(
                MessageRow.id.label("message_id"),
                MessageRow.time.label("message_time"),
                MessageRow.article_id,
                MessageRow.sequence,
                DeliveryRow.id.label("delivery_id"),
                or_(*self._superseding).label("superseded"),
            )
            .outerjoin(DeliveryRow, self._given(DeliveryRow, MessageRow))
            .where(
                self._wanted(MessageRow, DeliveryRow),
                self.lies_in(MessageRow.id, stretch),
                self._is_untried,
            )
        )

    def lies_in(self, message_id: SQLColumnExpression[UUID], stretch: Stretch) -> ColumnElement[bool]:
        """Return the condition that a message belongs to a stretch of the window."""
        first = (
            message_id >= self.past.window.first_id if stretch.after is None else message_id > stretch.after
        )
        return first if stretch.last is None else and_(first, message_id <= stretch.last)

    @property
    def stopped(self) -> ColumnElement[bool]:
        """The condition that a delivery is the endpoint's, and failed or held, as it is wanted."""
        return and_(DeliveryRow.endpoint_id == self.endpoint_id, self._stands(DeliveryRow))

    def _stands(self, delivery: _Delivery) -> ColumnElement[bool]:
        # Not `IN`: only of one state at a time it is seen that a partial index has it.
        states = sorted(self.past.states - {Replayable.MISSING})
        return or_(false(), *(delivery.state == one for one in states))

    def _given(self, delivery: _Delivery, message: _Message) -> ColumnElement[bool]:
        # The day stands in the join, so that only the partitions of these days are read.
        same = and_(message.id == delivery.message_id, message.time == delivery.message_time)
        return and_(delivery.endpoint_id == self.endpoint_id, same)

    def _wanted(self, message: _Message, delivery: _Delivery) -> ColumnElement[bool]:
        """Return the condition that a message is sent, but for a newer one of its article.

        Args:
            delivery: of it; outer joined.
        """
        past = self.past
        types = [one for one in DELIVERED if asks_for(past.only, one)]
        return and_(
            past.window.holds(message.time),
            message.body.is_not(None),
            message.type.in_(types),
            true() if past.article_id is None else message.article_id == past.article_id,
            or_(message.article_id.is_(None), self._concerns(message, past.only)),
            or_(self._stands(delivery), self._is_missing(message, delivery)),
        )

    def _is_missing(self, message: _Message, delivery: _Delivery) -> ColumnElement[bool]:
        if Replayable.MISSING not in self.past.states:
            return false()
        types = [one for one in _ARTICLE_EVENTS if asks_for(self.asks, one)]
        retraction = and_(message.type == EventType.ARTICLE_RETRACTED, ~self._was_sent(message))
        return and_(
            delivery.id.is_(None), message.type.in_(types), self._concerns(message, self.asks), ~retraction
        )

    def _concerns(self, message: _Message, wanted: Filter) -> ColumnElement[bool]:
        """Return the condition that a filter's categories let a message about an article pass.

        A retraction has no categories any more: whoever was sent anything of the article is to learn of it.
        """
        if wanted.slugs is None:
            return true()
        bears_one = exists().where(
            ArticleLabelRow.article_id == message.article_id,
            ArticleLabelRow.label_id == LabelRow.id,
            LabelRow.kind == LabelKind.CATEGORY,
            LabelRow.slug.in_(wanted.slugs),
        )
        retraction = and_(message.type == EventType.ARTICLE_RETRACTED, self._was_sent(message))
        return or_(bears_one, retraction)

    def _was_sent(self, message: _Message) -> Exists:
        sent = aliased(DeliveryRow)
        return exists().where(
            sent.endpoint_id == self.endpoint_id, sent.article_id == message.article_id, sent.attempts > 0
        )

    @cached_property
    def _superseding(self) -> tuple[Exists, Exists]:
        """That the endpoint has, or gets, something newer of the article; by itself or by this replay."""
        given = aliased(DeliveryRow)
        is_newer = or_(
            and_(given.sequence > MessageRow.sequence, given.state.in_(_ARRIVES)),
            and_(
                DeliveryRow.id.is_(None),
                given.sequence >= MessageRow.sequence,
                given.state != DeliveryState.CANCELLED,
            ),
        )
        has_newer = exists().where(
            given.endpoint_id == self.endpoint_id, given.article_id == MessageRow.article_id, is_newer
        )
        message, delivery = aliased(MessageRow), aliased(DeliveryRow)
        later = (
            select(message.id)
            .outerjoin(delivery, self._given(delivery, message))
            .where(
                message.article_id == MessageRow.article_id,
                tuple_(message.sequence, message.id) > tuple_(MessageRow.sequence, MessageRow.id),
                self._wanted(message, delivery),
            )
        )
        return has_newer, later.exists()

    @property
    def _is_untried(self) -> ColumnElement[bool]:
        if self.untried_since is None:
            return true()
        tried = exists().where(AttemptRow.delivery_id == DeliveryRow.id, AttemptRow.at >= self.untried_since)
        return ~tried
