"""How a document is answered with: in full, or that the reader has it already."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from feeds.serving.conditional import Coding, choose_coding, is_current, is_unmodified
from feeds.serving.document import Document, RawHeaders, Representation


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the headers of a request say; several lines of one count as one list.

    Attributes:
        coding: None: the reader takes none that we have.
        tags: `If-None-Match`; None without one.
        since: `If-Modified-Since`.
    """

    coding: Coding | None
    tags: str | None = None
    since: str | None = None

    @classmethod
    def of(cls, headers: Iterable[tuple[bytes, bytes]]) -> "Asked":
        """Return what raw headers say, whose names are in lower case."""
        accepted, tags, since = b"", None, None
        for name, value in headers:
            if name == b"accept-encoding":
                accepted = accepted + b"," + value if accepted else value
            elif name == b"if-none-match":
                tags = tags + b"," + value if tags is not None else value
            elif name == b"if-modified-since":
                since = value
        return cls(
            coding=_coding_for(accepted),
            tags=None if tags is None else tags.decode("latin-1"),
            since=None if since is None else since.decode("latin-1"),
        )


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What to send."""

    status: int
    headers: RawHeaders
    body: bytes


def answer_with(document: Document, representation: Representation, asked: Asked) -> Answer:
    """Return the document, or a 304 to who has it."""
    at = datetime.now(UTC)
    modified = (b"last-modified", document.last_modified(at=at).encode("latin-1"))
    if _has(document, representation, asked, at):
        return Answer(status=304, headers=[*representation.kept, modified], body=b"")
    return Answer(status=200, headers=[*representation.headers, modified], body=representation.body)


def _has(document: Document, representation: Representation, asked: Asked, at: datetime) -> bool:
    if asked.tags is not None:  # it wins over the date, whatever it says
        return is_current(representation.tag, asked.tags)
    return is_unmodified(document.changed_at, asked.since, at=at)


# Browsers and readers send a handful of short ones; others are not remembered.
_USUAL = 100


def _coding_for(accept_encoding: bytes) -> Coding | None:
    if len(accept_encoding) <= _USUAL:
        return _usual_coding(accept_encoding)
    return choose_coding(accept_encoding.decode("latin-1"))


@lru_cache(maxsize=256)
def _usual_coding(accept_encoding: bytes) -> Coding | None:
    return choose_coding(accept_encoding.decode("latin-1"))
