"""What is new in feeds goes to those who subscribed to them: a document a topic, made when it is needed.

First the documents are stored, then their subscribers are owed them, slice by slice, each in a transaction of
its own: a takedown never waits for more than a document.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from feeds.address import link_of
from feeds.catalog import FeedAddress, PrivateAddress
from feeds.content import FeedContent, document_of, read_content
from feeds.feed import FeedFormat
from feeds.standing import Standing, find_standings
from feeds.style import FeedStyle
from publisher.database import Channel, wake
from publisher.labels import LabelKind
from publisher.notify.websub.owing import FIRST, owe_newest
from publisher.notify.websub.topics import Topic, TopicDocument, live_topics, store_documents
from publisher.outbox.obligation import Done, Fate, Obligation, Postponed

EVERY = timedelta(seconds=1)
"""So often a topic gets a new document at most, in a flood of articles."""

MOST_DOCUMENTS = 4
"""Made in one run; what is left comes due again."""

_CURSOR, _MORE = "cursor", "more"


@dataclass(frozen=True, kw_only=True)
class Outdated:
    """A topic whose document is older than its feed, and what the new one is made of.

    Attributes:
        address: with a stand-in for a token.
        generation: of the feed.
    """

    topic_id: UUID
    generation: int
    address: FeedAddress | PrivateAddress
    content: FeedContent


@dataclass(frozen=True, kw_only=True)
class Push:
    """What is made in this run.

    Attributes:
        more: there are other topics of the feed whose documents are old.
    """

    outdated: Sequence[Outdated]
    more: bool


@dataclass(frozen=True, kw_only=True)
class Made:
    """The same, with the documents made."""

    documents: Sequence[TopicDocument]
    more: bool


@dataclass(frozen=True, kw_only=True)
class Rest:
    """That subscribers are owed what is stored, from behind one of them on; `more` as of `Push`."""

    after: UUID
    more: bool


def load_topics(
    session: Session, obligations: Collection[Obligation], *, style: FeedStyle
) -> dict[Obligation, Push | Rest | Fate]:
    """Return what is to be done for each feed, once however often it has changed; or why nothing is."""
    now = session.scalar(select(func.now()))
    assert now is not None
    topics: dict[UUID, list[Topic]] = {}
    for topic in live_topics(session, {one.subject for one in obligations}):
        topics.setdefault(topic.label_id, []).append(topic)
    standings = find_standings(session, topics)
    loaded: dict[Obligation, Push | Rest | Fate] = {}
    # Whoever is owed what is made already comes first: in a flood there is always something new to make.
    is_owing = any(_CURSOR in one.data and one.subject in topics for one in obligations)
    room = 0 if is_owing else MOST_DOCUMENTS
    for one in obligations:
        if one.subject not in topics:
            loaded[one] = Done(outcome="nobody subscribed")
        elif _CURSOR in one.data:
            loaded[one] = Rest(after=UUID(one.data[_CURSOR]), more=bool(one.data.get(_MORE)))
        else:
            standing = standings[one.subject]
            old = [topic for topic in topics[one.subject] if topic.generation < standing.generation]
            due = [topic for topic in old if _again_at(topic, now) <= now][:room]
            # Once a feed: who comes second finds nothing left to do.
            topics[one.subject] = [topic for topic in old if topic not in due]
            room -= len(due)
            loaded[one] = _push(session, old, due, standing, style) if due else _unpushed(old, now, room)
    return loaded


def render_topics(loaded: Push | Rest | Fate, *, style: FeedStyle) -> Made | Rest | Fate:
    """Return the new documents of a feed's topics."""
    if not isinstance(loaded, Push):
        return loaded
    return Made(documents=[_document(one, style) for one in loaded.outdated], more=loaded.more)


def store_pushes(
    session: Session, results: Mapping[Obligation, Made | Rest | Fate]
) -> dict[Obligation, Fate]:
    """Keep the documents; or, when there are none, owe those that are kept to a slice of one feed's readers.

    What is left comes due again.
    """
    documents = [
        document for made in results.values() if isinstance(made, Made) for document in made.documents
    ]
    store_documents(session, documents)
    first = None if documents else next((one for one in results if isinstance(results[one], Rest)), None)
    fates: dict[Obligation, Fate] = {}
    for one, result in results.items():
        if isinstance(result, Made):
            fates[one] = _goes_on(FIRST, result.more)
        elif isinstance(result, Rest):
            fates[one] = _owed(session, one.subject, result) if one is first else Postponed()
        else:
            fates[one] = result
    return fates


def _again_at(topic: Topic, now: datetime) -> datetime:
    return now if topic.changed_at is None else topic.changed_at + EVERY


def _unpushed(old: Sequence[Topic], now: datetime, room: int) -> Fate:
    if not old:
        return Done(outcome="pushed already")
    return Postponed(at=min(_again_at(topic, now) for topic in old)) if room else Postponed()


def _push(
    session: Session, old: Sequence[Topic], due: Sequence[Topic], standing: Standing, style: FeedStyle
) -> Push:
    outdated = []
    for topic in due:
        address = _address(topic)
        content = read_content(session, standing, address, style=style)
        outdated.append(
            Outdated(topic_id=topic.id, generation=standing.generation, address=address, content=content)
        )
    return Push(outdated=outdated, more=len(due) < len(old))


def _document(one: Outdated, style: FeedStyle) -> TopicDocument:
    return TopicDocument(
        topic_id=one.topic_id,
        generation=one.generation,
        content_type=one.address.format.content_type,
        link=link_of(one.address, style),
        body=document_of(one.content, style).body,
    )


def _owed(session: Session, label_id: UUID, rest: Rest) -> Fate:
    last = owe_newest(session, label_id, after=rest.after)
    wake(session, Channel.DELIVERIES)
    if last is not None:
        return _goes_on(last, rest.more)
    return Postponed(data={}) if rest.more else Done(outcome="pushed")


def _goes_on(after: UUID, more: bool) -> Postponed:
    return Postponed(data={_CURSOR: str(after), _MORE: more})


def _address(topic: Topic) -> FeedAddress | PrivateAddress:
    if topic.stand_in is not None:
        return PrivateAddress(token=topic.stand_in, format=FeedFormat(topic.format))
    return FeedAddress(kind=LabelKind(topic.kind), slug=topic.slug, format=FeedFormat(topic.format))
