"""A document that was made, and its representations: one a coding, each with its tag and its headers."""

import gzip
import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from uuid import UUID

import brotli

from feeds.address import Address
from feeds.serving.conditional import SETTLED, Coding, entity_tag, last_modified
from feeds.serving.delta import History

# Level 5 packs almost as small as 9, in a quarter of the time; Brotli's 4 is smaller still, and quicker.
_PACK: Mapping[Coding, Callable[[bytes], bytes]] = {
    Coding.IDENTITY: lambda body: body,
    Coding.GZIP: lambda body: gzip.compress(body, 5, mtime=0),
    Coding.BROTLI: lambda body: brotli.compress(body, quality=4),
}
RawHeaders = Sequence[tuple[bytes, bytes]]


def pack(body: bytes, coding: Coding) -> bytes:
    """Return the body in one coding; the same body gives the same bytes."""
    return _PACK[coding](body)


def digest_of(body: bytes) -> str:
    """Return what tells this body from all others: the tag of the plain one, without quotes."""
    return hashlib.sha256(body).hexdigest()[:32]


@dataclass(frozen=True, kw_only=True)
class Representation:
    """A document in one coding, ready to be sent.

    Attributes:
        tag: strong, with quotes.
        headers: of a full answer but for `Last-Modified`; of a 304 those of `kept`.
    """

    tag: str
    body: bytes
    headers: RawHeaders
    kept: RawHeaders


@dataclass(frozen=True, kw_only=True)
class Document:
    """A feed, or a page of its archive, in one format.

    Attributes:
        generation: of the feed when it was made; what it holds is at least as new.
        changed_at: when readers could first get it, give or take a transaction, by the database's clock.
        headers: of every answer with it, whatever the coding.
        history: what deltas are made from; None: there are none.
    """

    address: Address
    label_id: UUID
    generation: int
    changed_at: datetime
    body: bytes
    headers: Mapping[str, str]
    history: History | None = None
    _packed: dict[Coding, Representation] = field(default_factory=dict, compare=False, repr=False)
    _packing: threading.Lock = field(default_factory=threading.Lock, compare=False, repr=False)

    @cached_property
    def etag(self) -> str:
        """The tag of the plain body, without quotes: the same wherever and whenever it was made."""
        return digest_of(self.body)

    @property
    def size(self) -> int:
        """About the bytes of memory that it takes at most: what is packed besides adds up to no more."""
        return 2 * len(self.body) + 4_096 + (self.history.size if self.history else 0)

    def packed(self, coding: Coding) -> Representation | None:
        """Return the representation in one coding if it is packed already."""
        return self._packed.get(coding)

    def coded(self, coding: Coding) -> Representation:
        """Return the representation in one coding; it is packed when it is asked for first."""
        with self._packing:
            if coding not in self._packed:
                self._packed[coding] = self._represented(coding)
            return self._packed[coding]

    def last_modified(self, *, at: datetime) -> str:
        """Return the value of `Last-Modified`."""
        return self._settled if at - self.changed_at >= SETTLED else last_modified(self.changed_at, at=at)

    @cached_property
    def _settled(self) -> str:
        return last_modified(self.changed_at, at=self.changed_at + SETTLED)

    def _represented(self, coding: Coding) -> Representation:
        tag, body = entity_tag(self.etag, coding), pack(self.body, coding)
        kept = {**self.headers, "etag": tag}
        full = {**kept, "content-type": self.address.format.content_type, "content-length": str(len(body))}
        if coding is not Coding.IDENTITY:
            full["content-encoding"] = coding
        return Representation(tag=tag, body=body, headers=raw(full), kept=raw(kept))


def raw(headers: Mapping[str, str]) -> RawHeaders:
    """Return headers as a server sends them."""
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
