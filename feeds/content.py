"""What a feed, or a page of its archive, holds right now, read from the record; and the document of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.orm import Session

from feeds.catalog import FeedAddress, Places, PrivateAddress, path_within
from feeds.documents import Assembled, Shown, assemble, fitting, spans_of
from feeds.feed import Feed, FeedFormat, Tombstone
from feeds.standing import Standing
from feeds.style import FeedStyle
from publisher.ids import made_at
from publisher.labels import LabelKind
from publisher.schema import ArticleLabelRow, EntryRow, TombstoneRow


@dataclass(frozen=True, kw_only=True)
class Placed:
    """An entry of a feed in one format, and its place."""

    article_id: UUID
    position: int
    updated: datetime
    fragment: str


@dataclass(frozen=True, kw_only=True)
class FeedContent:
    """What a document is made of; entries and tombstones newest first.

    Attributes:
        feed: without what its entries say.
        archived: the feed, or page of its archive, behind which lies what is older; None: nothing does.
    """

    feed: Feed
    format: FeedFormat
    entries: Sequence[Placed]
    tombstones: Sequence[Tombstone] = ()
    archived: FeedAddress | PrivateAddress | None = None


def read_content(
    session: Session, standing: Standing, address: FeedAddress | PrivateAddress, *, style: FeedStyle
) -> FeedContent:
    """Return what a feed, or a page of its archive, holds: at least what it held at that standing."""
    placed = (
        select(ArticleLabelRow.article_id, ArticleLabelRow.position)
        .where(ArticleLabelRow.label_id == standing.label_id, *_within(address.places))
        .order_by(ArticleLabelRow.position.desc())
        .limit(style.length if address.places is None else None)
    )
    return FeedContent(
        feed=_feed(standing, address, style),
        format=address.format,
        entries=entries_of(session, placed, address.format),
        tombstones=_tombstones(session, standing, style) if address.places is None else (),
        archived=address,
    )


def entries_of(session: Session, placed: Select[UUID, int | None], feed_format: FeedFormat) -> list[Placed]:
    """Return the entries of articles, by their places, the last first; of those that have any."""
    articles = placed.subquery()
    fragment = {FeedFormat.ATOM: EntryRow.atom, FeedFormat.RSS: EntryRow.rss, FeedFormat.JSON: EntryRow.json}
    found = session.execute(
        select(
            EntryRow.article_id,
            articles.c.position,
            EntryRow.updated,
            fragment[feed_format].label("fragment"),
        )
        .join(EntryRow, EntryRow.article_id == articles.c.article_id)
        .order_by(articles.c.position.desc())
    )
    return [Placed(**row._asdict()) for row in found]


def document_of(content: FeedContent, style: FeedStyle) -> Assembled:
    """Return the document; the same content gives the same bytes, whoever makes it."""
    shown = [content.entries[index] for index in fitting([one.fragment for one in content.entries])]
    feed = _dated(content, shown)
    if content.archived and (page_before := _page_before(content, content.archived, shown)):
        feed = replace(feed, previous=style.base_url + path_within(content.archived, page_before))
    fragments = [one.fragment for one in shown]
    body = assemble(content.format, feed, fragments, content.tombstones)
    spans = spans_of(content.format, body, fragments)
    is_full = len(shown) < len(content.entries) or len(content.entries) >= style.length
    return Assembled(
        body=body,
        format=content.format,
        feed=feed,
        entries=[
            Shown(article_id=one.article_id, position=one.position, span=span)
            for one, span in zip(shown, spans, strict=True)
        ],
        tombstones=content.tombstones if content.format is FeedFormat.ATOM else (),
        oldest=shown[-1].position if shown and is_full else 0,
    )


def uri_of(standing: Standing, style: FeedStyle) -> str:
    """Return the permanent id of a feed."""
    return f"tag:{style.tag_domain},{made_at(standing.label_id):%Y-%m-%d}:feed/{standing.label_id}"


def _within(places: Places | None) -> Sequence[ColumnElement[bool]]:
    if places is None:
        return [ArticleLabelRow.position.is_not(None)]
    return [ArticleLabelRow.position.between(places.first, places.last)]


def _tombstones(session: Session, standing: Standing, style: FeedStyle) -> Sequence[Tombstone]:
    rows = session.execute(
        select(TombstoneRow.article_id, TombstoneRow.uri, TombstoneRow.retracted_at)
        .where(TombstoneRow.label_id == standing.label_id)
        .order_by(TombstoneRow.retracted_at.desc(), TombstoneRow.article_id)
        .limit(style.length)
    ).all()
    return [Tombstone(article_id=row.article_id, uri=row.uri, when=row.retracted_at) for row in rows]


def _dated(content: FeedContent, shown: Sequence[Placed]) -> Feed:
    """Return the feed, as new as the newest that stands in it or was taken out of it."""
    told = [one.updated for one in shown] or [content.feed.updated]
    return replace(content.feed, updated=max([*told, *(one.when for one in content.tombstones)]))


def _page_before(
    content: FeedContent, address: FeedAddress | PrivateAddress, shown: Sequence[Placed]
) -> Places | None:
    """Return the page that goes on where this document ends."""
    left_out = len(shown) < len(content.entries)
    if address.places is not None and not left_out:
        return Places.before(address.places.first)
    return Places.before(shown[-1].position) if shown else None


def _feed(standing: Standing, address: FeedAddress | PrivateAddress, style: FeedStyle) -> Feed:
    everything = standing.kind == LabelKind.ALL
    return Feed(
        uri=uri_of(standing, style),
        url=style.base_url + path_within(address, address.places),
        home_url=f"{style.base_url}/",
        title=style.title if everything else f"{style.title} – {standing.term}",
        author=style.author,
        language=style.language,
        updated=made_at(standing.label_id),
        archive_of=style.base_url + address.stem if address.places else None,
        hub=style.hub_url if address.is_topic else None,
    )
