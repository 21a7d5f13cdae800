"""What a feed, or a page of its archive, holds right now, read from the record; and the document of it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.orm import Session

from feeds.catalog import Address, FeedAddress, Places, PrivateAddress, path_within
from feeds.documents import assemble, fitting
from feeds.feed import Feed, FeedFormat, Tombstone
from feeds.style import FeedStyle
from publisher.ids import made_at
from publisher.labels import LabelKind
from publisher.private_feeds import digest_of
from publisher.schema import ArticleLabelRow, EntryRow, FeedRow, LabelRow, PrivateFeedRow, TombstoneRow


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How far a feed has come.

    Attributes:
        generation: grows with every change of what the feed, or any page of its archive, shows.
        changed_at: when it last did, by the database's clock, give or take a transaction.
        last_position: of what came into it last.
    """

    label_id: UUID
    kind: str
    term: str
    generation: int
    changed_at: datetime
    last_position: int


@dataclass(frozen=True, kw_only=True)
class Placed:
    """An entry of a feed in one format, and its place."""

    position: int
    updated: datetime
    fragment: str


@dataclass(frozen=True, kw_only=True)
class FeedContent:
    """What a document is made of; entries and tombstones newest first."""

    address: Address
    standing: Standing
    entries: Sequence[Placed]
    tombstones: Sequence[Tombstone]


def find_standing(session: Session, address: FeedAddress | PrivateAddress) -> Standing | None:
    """Return how far the feed of an address has come, or None if there is no such feed or page.

    One indexed look-up.
    """
    found = session.execute(_query_of(address)).one_or_none()
    if found is None or (address.places and address.places.last > found.last_position):
        return None
    return Standing(**found._asdict())


def find_private_standings(session: Session, tokens: Collection[str]) -> dict[str, Standing]:
    """Return how far the feeds of these tokens have come; those that are void, or none, are left out."""
    digests = {digest_of(token): token for token in tokens}
    rows = session.execute(
        _PRIVATE_STANDING.add_columns(PrivateFeedRow.digest).where(PrivateFeedRow.digest.in_(digests))
    )
    found = {digests[row.digest]: row._asdict() for row in rows}
    return {
        token: Standing(**{name: value for name, value in row.items() if name != "digest"})
        for token, row in found.items()
    }


def read_content(session: Session, standing: Standing, address: Address, *, style: FeedStyle) -> FeedContent:
    """Return what a feed, or a page of its archive, holds: at least what it held at that standing."""
    fragment = {FeedFormat.ATOM: EntryRow.atom, FeedFormat.RSS: EntryRow.rss, FeedFormat.JSON: EntryRow.json}
    found = session.execute(
        select(ArticleLabelRow.position, EntryRow.updated, fragment[address.format].label("fragment"))
        .join(EntryRow, EntryRow.article_id == ArticleLabelRow.article_id)
        .where(ArticleLabelRow.label_id == standing.label_id, *_within(address.places))
        .order_by(ArticleLabelRow.position.desc())
        .limit(style.length if address.places is None else None)
    ).all()
    return FeedContent(
        address=address,
        standing=standing,
        entries=[Placed(**row._asdict()) for row in found],
        tombstones=_tombstones(session, standing, style) if address.places is None else (),
    )


def document_of(content: FeedContent, style: FeedStyle) -> bytes:
    """Return the document; the same content gives the same bytes, whoever makes it."""
    shown = [content.entries[index] for index in fitting([one.fragment for one in content.entries])]
    feed = _feed(content.standing, content.address, style)
    page_before = _page_before(content, shown)
    if page_before is not None:
        feed = replace(feed, previous=style.base_url + path_within(content.address, page_before))
    if shown:
        feed = replace(feed, updated=max(one.updated for one in shown))
    fragments = [one.fragment for one in shown]
    return assemble(content.address.format, feed, fragments, content.tombstones)


_STANDING = select(
    FeedRow.label_id,
    LabelRow.kind,
    LabelRow.term,
    FeedRow.generation,
    FeedRow.changed_at,
    FeedRow.last_position,
).join(LabelRow, LabelRow.id == FeedRow.label_id)
_PRIVATE_STANDING = _STANDING.join(PrivateFeedRow, PrivateFeedRow.label_id == LabelRow.id).where(
    PrivateFeedRow.revoked_at.is_(None)
)


def _query_of(address: FeedAddress | PrivateAddress) -> Select[*tuple[Any, ...]]:
    if isinstance(address, FeedAddress):
        return _STANDING.where(LabelRow.kind == address.kind, LabelRow.slug == address.slug)
    return _PRIVATE_STANDING.where(PrivateFeedRow.digest == digest_of(address.token))


def _within(places: Places | None) -> Sequence[ColumnElement[bool]]:
    if places is None:
        return [ArticleLabelRow.position.is_not(None)]
    return [ArticleLabelRow.position.between(places.first, places.last)]


def _tombstones(session: Session, standing: Standing, style: FeedStyle) -> Sequence[Tombstone]:
    rows = session.execute(
        select(TombstoneRow.uri, TombstoneRow.retracted_at)
        .where(TombstoneRow.label_id == standing.label_id)
        .order_by(TombstoneRow.retracted_at.desc(), TombstoneRow.article_id)
        .limit(style.length)
    ).all()
    return [Tombstone(uri=row.uri, when=row.retracted_at) for row in rows]


def _page_before(content: FeedContent, shown: Sequence[Placed]) -> Places | None:
    """Return the page that goes on where this document ends."""
    left_out = len(shown) < len(content.entries)
    places = content.address.places
    if places is not None and not left_out:
        return Places.before(places.first)
    return Places.before(shown[-1].position) if shown else None


def _feed(standing: Standing, address: Address, style: FeedStyle) -> Feed:
    everything = standing.kind == LabelKind.ALL
    born_at = made_at(standing.label_id)
    return Feed(
        uri=f"tag:{style.tag_domain},{born_at:%Y-%m-%d}:feed/{standing.label_id}",
        url=style.base_url + path_within(address, address.places),
        home_url=f"{style.base_url}/",
        title=style.title if everything else f"{style.title} – {standing.term}",
        author=style.author,
        language=style.language,
        updated=born_at,
        archive_of=style.base_url + address.stem if address.places else None,
    )
