"""Stage 4b, first half: turn what happened into one message, and that into a delivery an endpoint."""

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Integer, func, select
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlalchemy.orm import Session

from publisher.article import ArticleStatus
from publisher.database import Channel, wake
from publisher.events import EventType
from publisher.notify.endpoints.filters import Filter, asks_for, filter_of, matches
from publisher.notify.fan_out.audience import Audience, Made, cancel, make_deliveries
from publisher.notify.fan_out.happened import Happened, Published, Retracted
from publisher.notify.fan_out.message import message_body
from publisher.outbox.obligation import Done, Fate, Obligation, Postponed
from publisher.schema import ArticleRow, EndpointRow, EventRow, MessageRow

START_S = 0.5
"""After this long no new slice of endpoints is begun but the first; one takes some tenths of a second."""

# An event bears the time at which its transaction began; one that waited for a lock began before its turn.
_LONGEST_TRANSACTION = timedelta(minutes=1)
_CURSOR = "cursor"
_OF_REVISIONS = (EventType.ARTICLE_PUBLISHED, EventType.ARTICLE_CORRECTED)


@dataclass(frozen=True, kw_only=True)
class Message:
    """What subscribers are told, and what chooses them.

    Attributes:
        id: the event's.
        time: the event's.
        categories: slugs of the article's categories.
        only: the one endpoint that it is for; None: all that ask for it.
        accepted_at: since when there was something to tell.
    """

    id: UUID
    time: datetime
    type: EventType
    body: bytes
    article_id: UUID | None = None
    sequence: int | None = None
    categories: frozenset[str] = field(default=frozenset())
    only: UUID | None = None
    accepted_at: datetime | None = None


def prepare(happened: Happened) -> Message:
    """Return the message that tells of an event."""
    told = Message(id=happened.event_id, time=happened.time, type=happened.type, body=message_body(happened))
    if isinstance(happened, Published):
        article = happened.article
        slugs = frozenset(one.term for one in article.categories)
        return replace(
            told,
            article_id=article.id,
            sequence=article.sequence,
            categories=slugs,
            accepted_at=happened.accepted_at,
        )
    if isinstance(happened, Retracted):
        return replace(
            told,
            article_id=happened.article_id,
            sequence=happened.sequence,
            accepted_at=happened.time,
        )
    if happened.type is EventType.ENDPOINT_TEST:
        return replace(told, only=happened.endpoint_id)
    return told


def store_deliveries(session: Session, messages: Mapping[Obligation, Message]) -> dict[Obligation, Fate]:
    """Write each message once, and a delivery for each endpoint that is to get it.

    An article that is published without notice, or was retracted meanwhile, makes none. Many endpoints are
    written in slices: what one start leaves comes due again, with the last endpoint as `cursor` in its data;
    so do the messages that it did not come to.
    """
    deadline = time.monotonic() + START_S
    retracted = _retractions(session, messages.values())
    fates = {one: _withheld(one, message, retracted) for one, message in messages.items()}
    told = {one: message for one, message in messages.items() if fates[one] is None}
    _store(session, told)
    filters = _filters(session) if told else {}
    first = next(iter(told), None)
    overtaken: list[UUID] = []
    for one, message in told.items():
        # Every message begun writes a slice: after the deadline only the first, so that each start gets on.
        if one is not first and time.monotonic() >= deadline:
            fates[one] = Postponed()
            continue
        made = make_deliveries(session, _audience(message, filters), after=_after(one), deadline=deadline)
        overtaken += made.overtaken
        fates[one] = _fate(one, made)
    cancel(session, overtaken)
    if told:
        wake(session, Channel.DELIVERIES)
    return {one: fate for one, fate in fates.items() if fate is not None}


def _retractions(session: Session, messages: Collection[Message]) -> dict[UUID, int]:
    """Return the sequence of the last retraction of each article, and keep it the last until the commit.

    The messages of a retracted article were scrubbed; one more must not be written after that. A restored
    article counts, too: what was said before the retraction stays unsaid. The lock also makes revisions of an
    article take turns: whichever comes second finds the deliveries of the first.
    """
    times = {one.article_id: one.time for one in messages if one.type in _OF_REVISIONS and one.article_id}
    if not times:
        return {}
    articles = session.execute(
        select(ArticleRow.id, ArticleRow.status, ArticleRow.sequence)
        .where(ArticleRow.id.in_(times))
        .order_by(ArticleRow.id)
        .with_for_update(key_share=True)
    ).all()
    # Whatever became of the event: those of long ago are not kept.
    gone = {row.id: row.sequence for row in articles if row.status == ArticleStatus.RETRACTED}
    rows = session.execute(
        select(EventRow.subject, func.max(EventRow.data["sequence"].astext.cast(Integer)).label("sequence"))
        .where(
            EventRow.subject.in_(times),
            EventRow.time >= min(times.values()) - _LONGEST_TRANSACTION,
            EventRow.type == EventType.ARTICLE_RETRACTED,
        )
        .group_by(EventRow.subject)
    )
    return {**gone, **{row.subject: row.sequence for row in rows}}


def _withheld(one: Obligation, message: Message, retracted: Mapping[UUID, int]) -> Fate | None:
    if message.type not in _OF_REVISIONS or message.article_id is None or message.sequence is None:
        return None
    if retracted.get(message.article_id, 0) > message.sequence:
        return Done(outcome="superseded")
    return Done(outcome="silent") if one.data.get("notify") is False else None


def _store(session: Session, messages: Mapping[Obligation, Message]) -> None:
    rows = [
        {
            "id": told.id,
            "time": told.time,
            "type": told.type,
            "article_id": told.article_id,
            "sequence": told.sequence,
            "body": told.body,
            "accepted_at": told.accepted_at,
            "traceparent": one.traceparent,
        }
        for one, told in sorted(messages.items(), key=lambda item: item[1].id)
    ]
    if rows:
        session.execute(insert(MessageRow).on_conflict_do_nothing(), rows)


def _filters(session: Session) -> dict[bytes, Filter]:
    """Return every filter that an endpoint has, once."""
    rows = session.execute(
        select(EndpointRow.filter_hash, EndpointRow.filter)
        .ext(distinct_on(EndpointRow.filter_hash))
        .where(EndpointRow.deleted_at.is_(None), EndpointRow.topic_id.is_(None))
        .order_by(EndpointRow.filter_hash)
    )
    return {row.filter_hash: filter_of(row.filter) for row in rows}


def _audience(message: Message, filters: Mapping[bytes, Filter]) -> Audience:
    retraction = message.type is EventType.ARTICLE_RETRACTED
    # Whoever got the article hears of its retraction, even if it has left their categories since.
    hashes = [
        digest
        for digest, wanted in filters.items()
        if (
            asks_for(wanted, message.type)
            if retraction
            else matches(wanted, message.type, message.categories)
        )
    ]
    return Audience(
        message_id=message.id,
        time=message.time,
        filter_hashes=hashes,
        article_id=message.article_id,
        sequence=message.sequence,
        only=message.only,
        retraction=retraction,
    )


def _after(one: Obligation) -> UUID | None:
    cursor = one.data.get(_CURSOR)
    return UUID(cursor) if cursor else None


def _fate(one: Obligation, made: Made) -> Fate:
    if made.after is None:
        return Done(outcome="fanned_out")
    return Postponed(data={**one.data, _CURSOR: str(made.after)})
