"""A feed's whole document: an envelope without entries, and stored fragments put into it byte by byte."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC

from feeds.entries import FRAGMENT_BYTES
from feeds.feed import Feed, FeedFormat, Tombstone
from feeds.feedgen_fixes import atom_feed, rss_feed
from feeds.json_feed import json_document
from publisher.text import clean_line

# The W3C's validator, and readers after it, refuse larger ones.
DOCUMENT_BYTES = 5_000_000


@dataclass(frozen=True, kw_only=True)
class _Envelope:
    head: bytes
    separator: bytes
    tail: bytes


def assemble(
    feed_format: FeedFormat, feed: Feed, entries: Sequence[str], tombstones: Sequence[Tombstone] = ()
) -> bytes:
    """Return the document, UTF-8; the same arguments give the same bytes.

    It is smaller than DOCUMENT_BYTES: entries at the end are left out if need be.

    Args:
        entries: fragments of this format, in the order in which readers get them, newest first.
        tombstones: what was taken out of the feed; only Atom has a word for it.
    """
    envelope = _envelope(feed_format, _presentable(feed, tombstones), tombstones)
    room = DOCUMENT_BYTES - 1 - len(envelope.head) - len(envelope.tail)
    body = envelope.separator.join(_fitting(entries, room, len(envelope.separator)))
    return envelope.head + body + envelope.tail


def _envelope(feed_format: FeedFormat, feed: Feed, tombstones: Sequence[Tombstone]) -> _Envelope:
    match feed_format:
        case FeedFormat.ATOM:
            document, tail, separator = atom_feed(feed, tombstones).atom_str(), b"</feed>", b""
        case FeedFormat.RSS:
            document, tail, separator = rss_feed(feed).rss_str(), b"</channel></rss>", b""
        case FeedFormat.JSON:
            document, tail, separator = json_document(feed).encode(), b"]}", b","
    return _Envelope(head=document.removesuffix(tail), separator=separator, tail=tail)


def _fitting(entries: Sequence[str], room: int, separator_bytes: int) -> Iterator[bytes]:
    """Yield the first entries that fit into `room` bytes together, passing over what is huge by itself."""
    for entry in entries:
        fragment = entry.encode()
        if len(fragment) > FRAGMENT_BYTES:
            continue
        room -= len(fragment) + separator_bytes
        if room < 0:
            return
        yield fragment


def _presentable(feed: Feed, tombstones: Sequence[Tombstone]) -> Feed:
    """Return the feed with clean text, as new as its newest tombstone, in UTC."""
    return replace(
        feed,
        title=clean_line(feed.title),
        author=clean_line(feed.author),
        description=clean_line(feed.description),
        updated=max([feed.updated, *(tombstone.when for tombstone in tombstones)]).astimezone(UTC),
    )
