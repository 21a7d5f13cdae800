"""Feeds that somebody subscribes to: one row each, with the newest document, and nothing that is older."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, exists, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from publisher.ids import new_id
from publisher.notify.secrets import SecretBox
from publisher.private_feeds import digest_of, new_token
from publisher.schema import EndpointRow, LabelRow, PrivateFeedRow, TopicRow


@dataclass(frozen=True, kw_only=True)
class TopicName:
    """What tells a topic from all others.

    Attributes:
        format: as the ending of the feed's address.
        url: of the feed, in this format.
        token: of a feed for one reader, inside the URL; None: anybody may read it.
    """

    label_id: UUID
    format: str
    url: str = field(repr=False)
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True)
class Topic:
    """A topic that somebody is subscribed to.

    Attributes:
        kind: of its label, and `slug`: what the feed's address is made of.
        stand_in: what stands for a token, and is not one; None: the feed is public.
        generation: of the feed when the document was made.
        changed_at: when the document was last stored; None: never.
    """

    id: UUID
    label_id: UUID
    kind: str
    slug: str
    format: str
    stand_in: str | None
    generation: int
    changed_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class TopicDocument:
    """A topic's document, with what is sent beside it; a stand-in is where a token has to be.

    Attributes:
        generation: of the feed when what it is made of was read.
    """

    topic_id: UUID
    generation: int
    content_type: str
    link: str
    body: bytes = field(repr=False)


def topic_of(session: Session, name: TopicName, *, box: SecretBox) -> UUID:
    """Return the id of a topic; there is one from now on."""
    digest = None if name.token is None else digest_of(name.token)
    same = (
        TopicRow.label_id == name.label_id,
        TopicRow.format == name.format,
        TopicRow.digest.is_not_distinct_from(digest),
    )
    known = session.scalar(select(TopicRow.id).where(*same))
    if known is not None:
        return known
    session.execute(insert(TopicRow).values(_row(name, digest, box)).on_conflict_do_nothing())
    return session.scalars(select(TopicRow.id).where(*same)).one()


def live_topics(session: Session, ids: Collection[UUID]) -> list[Topic]:
    """Return those of the topics that somebody may be subscribed to; not those of void tokens."""
    rows = session.execute(
        select(
            TopicRow.id,
            TopicRow.label_id,
            LabelRow.kind,
            LabelRow.slug,
            TopicRow.format,
            TopicRow.stand_in,
            TopicRow.generation,
            TopicRow.changed_at,
        )
        .join(LabelRow, LabelRow.id == TopicRow.label_id)
        .where(TopicRow.id.in_(ids), TopicRow.subscribed_until > func.now(), _IS_GOOD)
    )
    return [Topic(**row._asdict()) for row in rows]


def store_document(session: Session, document: TopicDocument) -> bool:
    """Keep a document instead of the one before; return False if what is kept is as new, or newer."""
    stored = session.scalar(
        update(TopicRow)
        .where(TopicRow.id == document.topic_id, TopicRow.generation < document.generation)
        .values(
            generation=document.generation,
            changed_at=func.clock_timestamp(),
            content_type=document.content_type,
            link=document.link,
            body=document.body,
        )
        .returning(TopicRow.id)
    )
    return stored is not None


def forget_unused(session: Session) -> None:
    """Take away the documents of topics that nobody is subscribed to, and topics of void tokens."""
    nobody = ~exists().where(EndpointRow.topic_id == TopicRow.id)
    session.execute(delete(TopicRow).where(nobody, ~_IS_GOOD))
    session.execute(
        update(TopicRow)
        .where(or_(TopicRow.subscribed_until.is_(None), TopicRow.subscribed_until < func.now()))
        .where(TopicRow.body.is_not(None))
        .values(body=None)
    )


def _row(name: TopicName, digest: bytes | None, box: SecretBox) -> dict[str, object]:
    identifier = new_id()
    row = {"id": identifier, "label_id": name.label_id, "format": name.format, "url": name.url}
    if name.token is None:
        return row
    stand_in = new_token()
    return {
        **row,
        "url": name.url.replace(name.token, stand_in),
        "digest": digest,
        "token": box.encrypt(name.token.encode(), owner=identifier.bytes),
        "stand_in": stand_in,
    }


_IS_GOOD = or_(
    TopicRow.digest.is_(None),
    exists().where(PrivateFeedRow.digest == TopicRow.digest, PrivateFeedRow.revoked_at.is_(None)),
)
