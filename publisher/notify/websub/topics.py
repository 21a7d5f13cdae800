"""Feeds that somebody subscribes to: one row each, with the newest document, and nothing that is older."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, exists, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from publisher.errors import NotFound
from publisher.ids import new_id
from publisher.notify.secrets.box import SecretBox
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
    """Return the id of a topic; there is one from now on, under this URL and with a token that opens.

    Raises:
        NotFound: when the token is void; else it stays good until the commit.
    """
    digest = None if name.token is None else digest_of(name.token)
    if digest is not None:
        _keep(session, digest)
    same = (
        TopicRow.label_id == name.label_id,
        TopicRow.format == name.format,
        TopicRow.digest.is_not_distinct_from(digest),
    )
    known = session.execute(select(TopicRow.id, TopicRow.stand_in).where(*same)).one_or_none()
    if known is None:
        row = {"label_id": name.label_id, "format": name.format, "digest": digest}
        hidden = _hidden(name, box, topic_id=new_id(), stand_in=new_token())
        session.execute(insert(TopicRow).values(row | hidden).on_conflict_do_nothing())
        return session.scalars(select(TopicRow.id).where(*same)).one()
    # Since then the site may have moved, or have got another key.
    now = _hidden(name, box, topic_id=known.id, stand_in=known.stand_in)
    session.execute(update(TopicRow).where(TopicRow.id == known.id, TopicRow.url != now["url"]).values(now))
    if name.token is not None:
        session.execute(update(TopicRow).where(TopicRow.id == known.id).values(token=now["token"]))
    identifier: UUID = known.id
    return identifier


def live_topics(session: Session, labels: Collection[UUID]) -> list[Topic]:
    """Return the topics of these feeds that somebody is subscribed to; not those of void tokens."""
    subscribed = exists().where(EndpointRow.topic_id == TopicRow.id, EndpointRow.expires_at > func.now())
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
        .where(TopicRow.label_id.in_(labels), TopicRow.subscribed_until > func.now(), subscribed, _IS_GOOD)
        .order_by(TopicRow.id)
    )
    return [Topic(**row._asdict()) for row in rows]


def store_documents(session: Session, documents: Collection[TopicDocument]) -> None:
    """Keep documents instead of those before; one that is as new, or newer, stays.

    Locks topics in the order of their ids.
    """
    for document in sorted(documents, key=lambda one: one.topic_id):
        session.execute(
            update(TopicRow)
            .where(TopicRow.id == document.topic_id, TopicRow.generation < document.generation)
            .values(
                generation=document.generation,
                changed_at=func.clock_timestamp(),
                content_type=document.content_type,
                link=document.link,
                body=document.body,
            )
        )


def forget_unused(session: Session) -> None:
    """Take away the documents of topics that nobody is subscribed to, and topics of void tokens.

    A topic without a document is as old as can be: whoever subscribes gets one that is made anew.
    """
    nobody = ~exists().where(EndpointRow.topic_id == TopicRow.id)
    session.execute(delete(TopicRow).where(nobody, ~_IS_GOOD))
    over = or_(TopicRow.subscribed_until.is_(None), TopicRow.subscribed_until < func.now())
    session.execute(update(TopicRow).where(over, TopicRow.body.is_not(None)).values(body=None, generation=0))


def _keep(session: Session, digest: bytes) -> None:
    good = select(PrivateFeedRow.id).where(
        PrivateFeedRow.digest == digest, PrivateFeedRow.revoked_at.is_(None)
    )
    if session.scalar(good.with_for_update(read=True, key_share=True)) is None:
        raise NotFound("hub.topic: is unknown by now")


def _hidden(
    name: TopicName, box: SecretBox, *, topic_id: UUID, stand_in: str | None
) -> dict[str, UUID | str | bytes | None]:
    """Return the columns of a topic that a token has to do with, without showing it."""
    if name.token is None or stand_in is None:
        return {"id": topic_id, "url": name.url}
    return {
        "id": topic_id,
        "url": name.url.replace(name.token, stand_in),
        "token": box.encrypt(name.token.encode(), owner=topic_id.bytes),
        "stand_in": stand_in,
    }


_IS_GOOD = or_(
    TopicRow.digest.is_(None),
    exists().where(PrivateFeedRow.digest == TopicRow.digest, PrivateFeedRow.revoked_at.is_(None)),
)
