"""Forget what was sent of a retracted article, and what receivers answered to it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, Update, and_, exists, func, null, or_, select, tuple_, update
from sqlalchemy.orm import Session

from publisher.article import ArticleStatus
from publisher.database import Sessions
from publisher.errors import Conflict, NotFound
from publisher.events import EventType
from publisher.notify.outcome import DeliveryState
from publisher.pauses import Stage
from publisher.schema import ArticleRow, AttemptRow, DeliveryRow, EventTaskRow, MessageRow

SLICE = 500
"""Deliveries in one transaction."""

UNDER_WAY = timedelta(minutes=1)
"""So long after a takedown, an attempt that was under way then may still be recorded: it takes half of it."""

_UNFINISHED = (DeliveryState.PENDING, DeliveryState.HELD)


@dataclass(frozen=True, kw_only=True)
class Expunged:
    """What one slice has done.

    Attributes:
        messages: whose body is gone.
        attempts: whose answer is gone.
        deliveries: that were looked at.
    """

    messages: int = 0
    attempts: int = 0
    deliveries: int = 0


@dataclass(frozen=True, kw_only=True)
class Remaining:
    """What cannot go yet.

    Attributes:
        untold: the notice of the takedown is still to be fanned out.
        notices: of the takedown that are pending or held, with what receivers will answer to them.
        under_way: what was being sent when it was taken down may still be recorded.
    """

    untold: bool
    notices: int
    under_way: bool


def expunge(sessions: Sessions, article_id: UUID) -> Iterator[Expunged]:
    """Forget it slice by slice, each a transaction; yield what each has done.

    Again does what is left, from the beginning: what is gone already costs a look. The notice of the takedown
    keeps its body until everybody was sent it or given up; after that, it cannot be replayed either.

    Raises:
        NotFound: when there is no such article.
        Conflict: when it is not retracted, or was restored meanwhile.
    """
    with sessions.begin() as session:
        _keep_retracted(session, article_id)
        scrubbed = _count(session, _scrubbing(article_id))
    yield Expunged(messages=scrubbed)
    place: tuple[UUID, UUID] | None = None
    while True:
        with sessions.begin() as session:
            _keep_retracted(session, article_id)
            deliveries = _deliveries(session, article_id, after=place)
            forgotten = _count(session, _forgetting([one for _, one in deliveries])) if deliveries else 0
        yield Expunged(attempts=forgotten, deliveries=len(deliveries))
        if len(deliveries) < SLICE:
            return
        place = deliveries[-1]


def remaining(session: Session, article_id: UUID) -> Remaining:
    """Return what of a retracted article cannot be forgotten yet."""
    notices = (
        select(func.count())
        .select_from(DeliveryRow)
        .join(MessageRow, _message_of_delivery())
        .where(DeliveryRow.article_id == article_id, _is_owed(), MessageRow.body.is_not(None))
    )
    retracted_at = select(ArticleRow.retracted_at).where(ArticleRow.id == article_id).scalar_subquery()
    return Remaining(
        untold=session.scalar(select(_is_untold(article_id))) or False,
        notices=session.scalar(notices) or 0,
        under_way=session.scalar(select(retracted_at > func.now() - UNDER_WAY)) or False,
    )


def _keep_retracted(session: Session, article_id: UUID) -> None:
    """Let nobody restore the article before the end of the transaction."""
    chosen = select(ArticleRow.status).where(ArticleRow.id == article_id).with_for_update(read=True)
    status = session.scalar(chosen)
    if status is None:
        raise NotFound(f"article {article_id}: does not exist")
    if status != ArticleStatus.RETRACTED:
        raise Conflict(
            f"article {article_id}: is {status}, not retracted; "
            f"first `publisher retract {article_id} --reason …`, which its readers and subscribers are told"
        )


def _scrubbing(article_id: UUID) -> Update:
    notice = MessageRow.type == EventType.ARTICLE_RETRACTED
    owed = exists().where(DeliveryRow.article_id == article_id, _is_owed(), _message_of_delivery())
    return (
        update(MessageRow)
        .where(MessageRow.article_id == article_id, MessageRow.body.is_not(None))
        .where(or_(~notice, and_(~_is_untold(article_id), ~owed)))
        .values(body=None)
    )


def _deliveries(
    session: Session, article_id: UUID, *, after: tuple[UUID, UUID] | None
) -> list[tuple[UUID, UUID]]:
    """Return the next deliveries of the article by endpoint, as its index has them: endpoint and id."""
    place = tuple_(DeliveryRow.endpoint_id, DeliveryRow.id)
    chosen = select(DeliveryRow.endpoint_id, DeliveryRow.id).where(DeliveryRow.article_id == article_id)
    if after is not None:
        chosen = chosen.where(place > after)
    rows = session.execute(chosen.order_by(DeliveryRow.endpoint_id, DeliveryRow.id).limit(SLICE))
    return [(row.endpoint_id, row.id) for row in rows]


def _forgetting(delivery_ids: Sequence[UUID]) -> Update:
    answered = or_(AttemptRow.response_headers.is_not(None), AttemptRow.response_body.is_not(None))
    return (
        update(AttemptRow)
        .where(AttemptRow.delivery_id.in_(delivery_ids), answered)
        .values(response_headers=null(), response_body=null())
    )


def _is_owed() -> ColumnElement[bool]:
    return DeliveryRow.state.in_(_UNFINISHED)


def _is_untold(article_id: UUID) -> ColumnElement[bool]:
    """Return the condition that a takedown of the article is still to be fanned out."""
    return exists().where(
        EventTaskRow.subject == article_id,
        EventTaskRow.task == Stage.FAN_OUT,
        EventTaskRow.type == EventType.ARTICLE_RETRACTED,
    )


def _message_of_delivery() -> ColumnElement[bool]:
    # The day stands in the join, so that only the partitions of these days are read.
    return and_(MessageRow.id == DeliveryRow.message_id, MessageRow.time == DeliveryRow.message_time)


def _count(session: Session, statement: Update) -> int:
    return session.connection().execute(statement).rowcount
