"""What is new in feeds goes to those who subscribed to them: a document a topic, made when it is needed."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from feeds.catalog import FeedAddress, PrivateAddress
from feeds.content import FeedContent, document_of, read_content
from feeds.feed import FeedFormat
from feeds.serving.headers import link_of
from feeds.standing import Standing, find_standings
from feeds.style import FeedStyle
from publisher.database import Channel, wake
from publisher.labels import LabelKind
from publisher.notify.websub.owing import owe_newest
from publisher.notify.websub.topics import Topic, TopicDocument, live_topics, store_document
from publisher.outbox.obligation import Done, Fate, Obligation, Postponed

EVERY = timedelta(seconds=1)
"""So often a topic gets a new document at most, in a flood of articles."""

_CURSOR = "cursor"


@dataclass(frozen=True, kw_only=True)
class Push:
    """What is to be done for a topic.

    Attributes:
        generation: of its feed, whose document its subscribers are to be sent.
        address: of the feed, with a stand-in for a token.
        content: of that document; None: it is there, but not everybody is owed it yet.
        after: the subscription behind which it goes on; None: from the first one.
    """

    topic_id: UUID
    generation: int
    address: FeedAddress | PrivateAddress
    content: FeedContent | None = None
    after: UUID | None = None


@dataclass(frozen=True, kw_only=True)
class Pushed:
    """The same with the document made."""

    push: Push
    document: TopicDocument | None


Loaded = Push | Fate


def load_topics(
    session: Session, obligations: Collection[Obligation], *, style: FeedStyle
) -> dict[Obligation, Loaded]:
    """Return what is to be done for each topic, once however often it has changed; or why nothing is."""
    now = session.scalar(select(func.now()))
    assert now is not None
    topics = {one.id: one for one in live_topics(session, {one.subject for one in obligations})}
    standings = find_standings(session, {one.label_id for one in topics.values()})
    loaded: dict[Obligation, Loaded] = {}
    begun: set[UUID] = set()
    for one in obligations:
        topic = topics.get(one.subject)
        if topic is None:
            loaded[one] = Done(outcome="nobody subscribed")
        elif _CURSOR in one.data:
            loaded[one] = _rest(topic, after=UUID(one.data[_CURSOR]))
        elif topic.id in begun or topic.generation >= standings[topic.label_id].generation:
            loaded[one] = Done(outcome="pushed already")
        else:
            begun.add(topic.id)
            loaded[one] = _whole(session, topic, standings[topic.label_id], style=style, now=now)
    return loaded


def render_topic(loaded: Loaded, *, style: FeedStyle) -> Pushed | Fate:
    """Return a topic's new document."""
    if not isinstance(loaded, Push):
        return loaded
    if loaded.content is None:
        return Pushed(push=loaded, document=None)
    document = TopicDocument(
        topic_id=loaded.topic_id,
        generation=loaded.generation,
        content_type=loaded.address.format.content_type,
        link=link_of(loaded.address, style),
        body=document_of(loaded.content, style).body,
    )
    return Pushed(push=loaded, document=document)


def store_pushes(session: Session, results: Mapping[Obligation, Pushed | Fate]) -> dict[Obligation, Fate]:
    """Keep the documents, and owe each to a slice of its subscribers; what is left comes due again."""
    fates: dict[Obligation, Fate] = {}
    # Whoever changes several topics locks them in the order of their ids.
    for one, result in sorted(results.items(), key=lambda item: item[0].subject):
        fates[one] = _stored(session, result) if isinstance(result, Pushed) else result
    if any(isinstance(result, Pushed) for result in results.values()):
        wake(session, Channel.DELIVERIES)
    return fates


def _stored(session: Session, pushed: Pushed) -> Fate:
    push = pushed.push
    if pushed.document is not None and not store_document(session, pushed.document):
        return Done(outcome="overtaken")
    last = owe_newest(session, push.topic_id, push.generation, after=push.after)
    return Done(outcome="pushed") if last is None else Postponed(data={_CURSOR: str(last)})


def _rest(topic: Topic, *, after: UUID) -> Push:
    return Push(topic_id=topic.id, generation=topic.generation, address=_address(topic), after=after)


def _whole(session: Session, topic: Topic, standing: Standing, *, style: FeedStyle, now: datetime) -> Loaded:
    if topic.changed_at is not None and topic.changed_at + EVERY > now:
        return Postponed(at=topic.changed_at + EVERY)
    address = _address(topic)
    return Push(
        topic_id=topic.id,
        generation=standing.generation,
        address=address,
        content=read_content(session, standing, address, style=style),
    )


def _address(topic: Topic) -> FeedAddress | PrivateAddress:
    if topic.stand_in is not None:
        return PrivateAddress(token=topic.stand_in, format=FeedFormat(topic.format))
    return FeedAddress(kind=LabelKind(topic.kind), slug=topic.slug, format=FeedFormat(topic.format))
