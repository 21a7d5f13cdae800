"""What a feed holds right now, read from the record, and the documents made of it."""

import gzip
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from feeds.documents import assemble
from feeds.entries import Entry
from feeds.feed import Feed, FeedFormat, Tombstone
from feeds.style import FeedStyle
from publisher.ids import made_at
from publisher.labels import LabelKind
from publisher.schema import ArticleLabelRow, EntryRow, FeedRow, LabelRow, TombstoneRow

# Level 5 packs almost as small as 9, in a quarter of the time.
_GZIP_LEVEL = 5


@dataclass(frozen=True, kw_only=True)
class FeedContent:
    """A feed and everything in it, newest first.

    Attributes:
        generation: of the feed when it was read; what it holds is at least as new.
    """

    feed: Feed
    entries: Sequence[Entry]
    tombstones: Sequence[Tombstone]
    generation: int


@dataclass(frozen=True, kw_only=True)
class Document:
    """A feed in one format, ready to be served.

    Attributes:
        etag: of the plain body, without quotes; the compressed one is another representation.
    """

    body: bytes
    body_gzip: bytes
    etag: str


def read_content(session: Session, label_id: UUID, *, style: FeedStyle) -> FeedContent | None:
    """Return what the feed of a label holds, or None if there is no such label."""
    # The generation is read first: what changes in between is in the entries already, and costs a rebuild.
    found = session.execute(
        select(LabelRow, FeedRow.generation)
        .join(FeedRow, FeedRow.label_id == LabelRow.id)
        .where(LabelRow.id == label_id)
    ).one_or_none()
    if found is None:
        return None
    label, generation = found
    entries = session.scalars(
        select(EntryRow)
        .join(ArticleLabelRow, ArticleLabelRow.article_id == EntryRow.article_id)
        .where(ArticleLabelRow.label_id == label_id)
        .order_by(ArticleLabelRow.first_visible_at.desc(), ArticleLabelRow.article_id.desc())
        .limit(style.length)
    ).all()
    tombstones = session.scalars(
        select(TombstoneRow)
        .where(TombstoneRow.label_id == label_id)
        .order_by(TombstoneRow.retracted_at.desc(), TombstoneRow.article_id)
        .limit(style.length)
    ).all()
    return FeedContent(
        feed=_feed(label, max((row.updated for row in entries), default=made_at(label.id)), style),
        entries=[Entry(atom=row.atom, rss=row.rss, json=row.json, updated=row.updated) for row in entries],
        tombstones=[Tombstone(uri=row.uri, when=row.retracted_at) for row in tombstones],
        generation=generation,
    )


def documents_of(content: FeedContent) -> Mapping[FeedFormat, Document]:
    """Return the feed in every format."""
    return {one: document_of(content, one) for one in FeedFormat}


def document_of(content: FeedContent, feed_format: FeedFormat) -> Document:
    """Return the feed in one format."""
    fragments = [entry.fragment(feed_format) for entry in content.entries]
    body = assemble(feed_format, content.feed, fragments, content.tombstones)
    return Document(
        body=body,
        body_gzip=gzip.compress(body, _GZIP_LEVEL, mtime=0),
        etag=hashlib.sha256(body).hexdigest()[:32],
    )


def _feed(label: LabelRow, updated: datetime, style: FeedStyle) -> Feed:
    everything = label.kind == LabelKind.ALL
    path = "all" if everything else f"{label.kind}/{label.slug}"
    return Feed(
        uri=f"tag:{style.tag_domain},{made_at(label.id):%Y-%m-%d}:feed/{label.id}",
        url=f"{style.base_url}/feeds/{path}",
        home_url=f"{style.base_url}/",
        title=style.title if everything else f"{style.title} – {label.term}",
        author=style.author,
        language=style.language,
        updated=updated,
    )
