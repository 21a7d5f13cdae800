"""A feed's whole document: an envelope without entries, and stored fragments put into it byte by byte."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC

from feeds.entries import FRAGMENT_BYTES
from feeds.feed import Feed, FeedFormat, Tombstone
from feeds.feedgen_fixes import atom_feed, rss_feed
from feeds.json_feed import json_document
from publisher.text import clean_line

DOCUMENT_BYTES = 5_000_000
"""The W3C's validator, and readers after it, refuse larger documents."""

# What stands around the entries: names, links, and a line a tombstone.
_ENVELOPE_BYTES = 200_000


@dataclass(frozen=True, kw_only=True)
class _Envelope:
    head: bytes
    separator: bytes
    tail: bytes


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
    envelope = _envelope(feed_format, _presentable(feed, tombstones), tombstones)
    return envelope.head + envelope.separator.join(one.encode() for one in fragments) + envelope.tail


def _envelope(feed_format: FeedFormat, feed: Feed, tombstones: Sequence[Tombstone]) -> _Envelope:
    match feed_format:
        case FeedFormat.ATOM:
            document, tail, separator = atom_feed(feed, tombstones).atom_str(), b"</feed>", b""
        case FeedFormat.RSS:
            document, tail, separator = rss_feed(feed).rss_str(), b"</channel></rss>", b""
        case FeedFormat.JSON:
            document, tail, separator = json_document(feed).encode(), b"]}", b","
    return _Envelope(head=document.removesuffix(tail), separator=separator, tail=tail)


def _presentable(feed: Feed, tombstones: Sequence[Tombstone]) -> Feed:
    """Return the feed with clean text, as new as its newest tombstone, in UTC."""
    return replace(
        feed,
        title=clean_line(feed.title),
        author=clean_line(feed.author),
        description=clean_line(feed.description),
        updated=max([feed.updated, *(tombstone.when for tombstone in tombstones)]).astimezone(UTC),
    )
