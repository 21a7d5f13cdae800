"""How a document is answered with: in full, only what the reader lacks, or that it has all of it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache

from feeds.serving.conditional import (
    Coding,
    choose_coding,
    is_current,
    is_unmodified,
    takes_deltas,
    versions_in,
)
from feeds.serving.delta import History
from feeds.serving.document import Document, RawHeaders, Representation, pack, raw
from feeds.serving.headers import OF_DELTAS


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the headers of a request say; several lines of one count as one list.

    Attributes:
        coding: None: the reader takes none that we have.
        tags: `If-None-Match`; None without one.
        since: `If-Modified-Since`.
        deltas: whether it takes what it lacks alone (`A-IM`).
    """

    coding: Coding | None
    tags: str | None = None
    since: str | None = None
    deltas: bool = False

    @classmethod
    def of(cls, headers: Iterable[tuple[bytes, bytes]]) -> "Asked":
        """Return what raw headers say, whose names are in lower case."""
        accepted, tags, since, manipulated = b"", None, None, b""
        for name, value in headers:
            if name == b"accept-encoding":
                accepted = accepted + b"," + value if accepted else value
            elif name == b"if-none-match":
                tags = tags + b"," + value if tags is not None else value
            elif name == b"if-modified-since":
                since = value
            elif name == b"a-im":
                manipulated = manipulated + b"," + value
        return cls(
            coding=_coding_for(accepted),
            tags=None if tags is None else tags.decode("latin-1"),
            since=None if since is None else since.decode("latin-1"),
            deltas=bool(manipulated) and takes_deltas(manipulated.decode("latin-1")),
        )


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What to send."""

    status: int
    headers: RawHeaders
    body: bytes


@dataclass(frozen=True, kw_only=True)
class _Base:
    """The version of a document that a reader has: its number, and the tag that the reader knows it by."""

    history: History
    version: int
    tag: str


def answer_with(document: Document, representation: Representation, asked: Asked) -> Answer:
    """Return the document, what the reader lacks of it (226), or a 304 to who has it."""
    at = datetime.now(UTC)
    modified = (b"last-modified", document.last_modified(at=at).encode("latin-1"))
    if _has(document, representation, asked, at):
        return Answer(status=304, headers=[*representation.kept, modified], body=b"")
    delta = _delta(document, representation, asked) if asked.deltas else None
    if delta is not None:
        return Answer(status=226, headers=[*delta.headers, modified], body=delta.body)
    return Answer(status=200, headers=[*representation.headers, modified], body=representation.body)


def answer_at_once(document: Document, asked: Asked) -> Answer | None:
    """Return the same if it only has to be sent: what is put together or packed first holds others up."""
    packed = document.packed(asked.coding) if asked.coding else None
    if packed is None:
        return None
    if asked.deltas and not is_current(packed.tag, asked.tags) and _base(document, asked):
        return None
    return answer_with(document, packed, asked)


def _has(document: Document, representation: Representation, asked: Asked, at: datetime) -> bool:
    if asked.tags is not None:  # it wins over the date, whatever it says
        return is_current(representation.tag, asked.tags)
    return is_unmodified(document.changed_at, asked.since, at=at)


def _base(document: Document, asked: Asked) -> _Base | None:
    """Return the latest version that the reader has and this process remembers."""
    history = document.history
    if history is None or asked.tags is None:
        return None
    known = {**history.earlier, document.etag: history.version}
    named = versions_in(asked.tags).items()
    bases = [_Base(history=history, version=known[etag], tag=tag) for etag, tag in named if etag in known]
    return max(bases, key=lambda base: base.version, default=None)


def _delta(document: Document, representation: Representation, asked: Asked) -> Representation | None:
    """Return what the reader lacks of a representation, if that can be told."""
    base = _base(document, asked)
    delta = base.history.delta(base.version) if base else None
    if base is None or delta is None:
        return None
    body = pack(delta, asked.coding or Coding.IDENTITY)
    own = raw({**OF_DELTAS, "Delta-Base": base.tag, "Content-Length": str(len(body))})
    return replace(
        representation, body=body, headers=[*{**dict(representation.headers), **dict(own)}.items()]
    )


# Browsers and readers send a handful of short ones; others are not remembered.
_USUAL = 100


def _coding_for(accept_encoding: bytes) -> Coding | None:
    if len(accept_encoding) <= _USUAL:
        return _usual_coding(accept_encoding)
    return choose_coding(accept_encoding.decode("latin-1"))


@lru_cache(maxsize=256)
def _usual_coding(accept_encoding: bytes) -> Coding | None:
    return choose_coding(accept_encoding.decode("latin-1"))
