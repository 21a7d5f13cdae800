"""Documents on their way to readers: where they are asked for, which version it is, and the recent ones."""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from feeds.conditional import Coding
from feeds.feed import FeedFormat
from publisher.labels import LabelKind


@dataclass(frozen=True, kw_only=True)
class FeedAddress:
    """Which feed is asked for, in which format; there need not be one."""

    kind: LabelKind
    slug: str
    format: FeedFormat

    @property
    def path(self) -> str:
        """The path of its canonical address."""
        name = "all" if self.kind is LabelKind.ALL else f"{self.kind}/{self.slug}"
        return f"/feeds/{name}.{self.format}"


@dataclass(frozen=True, kw_only=True)
class Version:
    """Which document of a feed it is.

    Attributes:
        generation: of the feed; the document is at least as new.
        etag: of the plain body, without quotes.
        changed_at: when readers could first get it, give or take a transaction, by the database's clock.
    """

    label_id: UUID
    format: FeedFormat
    generation: int
    etag: str
    changed_at: datetime


@dataclass(frozen=True, kw_only=True)
class ServedDocument:
    """A version with its body, plain and compressed."""

    version: Version
    body: bytes
    body_gzip: bytes

    def coded(self, coding: Coding) -> bytes:
        """Return the body in one coding."""
        return self.body_gzip if coding is Coding.GZIP else self.body


class RecentDocuments:
    """The last document of each feed that was asked for, as far as they fit; safe among threads."""

    def __init__(self, most_bytes: int) -> None:
        self._documents: OrderedDict[tuple[UUID, FeedFormat], ServedDocument] = OrderedDict()
        self._most_bytes = most_bytes
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, label_id: UUID, feed_format: FeedFormat) -> ServedDocument | None:
        """Return what was remembered last, however old."""
        key = (label_id, feed_format)
        with self._lock:
            if key in self._documents:
                self._documents.move_to_end(key)
            return self._documents.get(key)

    def put(self, document: ServedDocument) -> None:
        """Remember a document instead of the one before; forget what nobody asked for the longest."""
        key = (document.version.label_id, document.version.format)
        with self._lock:
            if replaced := self._documents.pop(key, None):
                self._bytes -= _size(replaced)
            self._documents[key] = document
            self._bytes += _size(document)
            while self._bytes > self._most_bytes:
                _, oldest = self._documents.popitem(last=False)
                self._bytes -= _size(oldest)


def _size(document: ServedDocument) -> int:
    return len(document.body) + len(document.body_gzip)
