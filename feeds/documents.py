"""A feed's whole document: an envelope without entries, and stored fragments put into it byte by byte."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC
from uuid import UUID

from feeds.entries import FRAGMENT_BYTES
from feeds.feed import Feed, FeedFormat, Tombstone
from feeds.feedgen_fixes import atom_feed, rss_feed
from feeds.json_feed import json_document
from publisher.text import clean_line

DOCUMENT_BYTES = 5_000_000
"""The W3C's validator, and readers after it, refuse larger documents."""

# What stands around the entries: names, links, and a line a tombstone.
_ENVELOPE_BYTES = 200_000


# What stands between two entries, and behind the last.
_BETWEEN_AND_BEHIND: Mapping[FeedFormat, tuple[bytes, bytes]] = {
    FeedFormat.ATOM: (b"", b"</feed>"),
    FeedFormat.RSS: (b"", b"</channel></rss>"),
    FeedFormat.JSON: (b",", b"]}"),
}


@dataclass(frozen=True, kw_only=True)
class Shown:
    """An entry in a document: whose it is, its place in the feed, and which bytes it is there."""

    article_id: UUID
    position: int
    span: slice


@dataclass(frozen=True, kw_only=True)
class Assembled:
    """A document, and what it was assembled from; entries and tombstones newest first.

    Attributes:
        feed: what stands around the entries.
        tombstones: those that the document names.
        oldest: what came into the feed before this place is left out for want of room; 0: nothing is.
    """

    body: bytes
    format: FeedFormat
    feed: Feed
    entries: Sequence[Shown]
    tombstones: Sequence[Tombstone] = ()
    oldest: int = 0


def fitting(fragments: Sequence[str]) -> list[int]:
    """Return which of the fragments stand in a document: the first that fit together, without the huge."""
    room = DOCUMENT_BYTES - _ENVELOPE_BYTES
    shown = []
    for index, fragment in enumerate(fragments):
        size = len(fragment.encode())
        if size > FRAGMENT_BYTES:
            continue
        room -= size + 1
        if room < 0:
            break
        shown.append(index)
    return shown


def assemble(
    feed_format: FeedFormat, feed: Feed, fragments: Sequence[str], tombstones: Sequence[Tombstone] = ()
) -> bytes:
    """Return the document, UTF-8; the same arguments give the same bytes.

    Args:
        fragments: of this format, in the order in which readers get them, newest first.
        tombstones: what was taken out of the feed; only Atom has a word for it.
    """
    separator, tail = _BETWEEN_AND_BEHIND[feed_format]
    envelope = _envelope(feed_format, _presentable(feed, tombstones), tombstones)
    return envelope.removesuffix(tail) + separator.join(one.encode() for one in fragments) + tail


def spans_of(feed_format: FeedFormat, document: bytes, fragments: Sequence[str]) -> list[slice]:
    """Return which bytes of a document each of the fragments is that it was assembled from."""
    separator, tail = _BETWEEN_AND_BEHIND[feed_format]
    end, spans = len(document) - len(tail), []
    for fragment in reversed(fragments):
        start = end - len(fragment.encode())
        spans.append(slice(start, end))
        end = start - len(separator)
    return spans[::-1]


def _envelope(feed_format: FeedFormat, feed: Feed, tombstones: Sequence[Tombstone]) -> bytes:
    document: bytes
    match feed_format:
        case FeedFormat.ATOM:
            document = atom_feed(feed, tombstones).atom_str()
        case FeedFormat.RSS:
            document = rss_feed(feed).rss_str()
        case FeedFormat.JSON:
            document = json_document(feed).encode()
    return document


def _presentable(feed: Feed, tombstones: Sequence[Tombstone]) -> Feed:
    """Return the feed with clean text, as new as its newest tombstone, in UTC."""
    return replace(
        feed,
        title=clean_line(feed.title),
        author=clean_line(feed.author),
        description=clean_line(feed.description),
        updated=max([feed.updated, *(tombstone.when for tombstone in tombstones)]).astimezone(UTC),
    )
