"""What is in a file: articles in JSON, one or a line each, or the page of one, as HTML or as text."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, BinaryIO
from zoneinfo import ZoneInfo

from publisher.api.json_body import parse_json
from publisher.api.ndjson import Line, LineSplitter
from publisher.errors import InvalidInput, PublisherError
from publisher.ingest.article_in import parse_article
from publisher.ingest.html.page import parse_html_page
from publisher.ingest.identity import derived_guid
from publisher.ingest.reading import Kind, kind_of, read_bytes
from publisher.ingest.submission import Submission
from publisher.ingest.text.page import parse_text

_CHUNK = 1_000_000
_NOT_SENT = ("warnings", "traceparent")
_ON_REQUEST = {"notify": True, "restore": False}


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How files are read.

    Attributes:
        zone: of dates that pages print without one.
        limit: largest size of a page, a JSON article or a line, in bytes.
    """

    zone: ZoneInfo
    limit: int


@dataclass(frozen=True, kw_only=True)
class Document:
    """One article of a file.

    Attributes:
        line: where it begins in its file; 1 for what is alone there.
        found: the article, or what is wrong with it.
    """

    line: int
    found: Submission | PublisherError


def read_documents(name: str, stream: BinaryIO, reading: Reading) -> Iterator[Document]:
    """Yield the articles of a file as it is read; only lines of JSON may be longer than the limit together.

    Args:
        name: of the file; its ending tells the kind where the content does not.
    """
    head = stream.read(reading.limit + 1)
    kind = kind_of(name, head)
    if kind is Kind.NDJSON:
        yield from _read_lines(head, stream, reading)
    else:
        yield Document(line=1, found=_read_one(kind, head, reading))


def article_json(submission: Submission, *, zone: ZoneInfo) -> dict[str, Any]:
    """Return the JSON with which a client would send this article in; what it does not say is left out.

    Args:
        zone: in which instants are written.
    """
    values = {name: value for name, value in asdict(submission).items() if name not in _NOT_SENT}
    said = {name: value for name, value in values.items() if value != _ON_REQUEST.get(name)}
    written: dict[str, Any] = _written(said, zone)
    return written


def _read_lines(head: bytes, stream: BinaryIO, reading: Reading) -> Iterator[Document]:
    splitter = LineSplitter(reading.limit)
    chunk = head
    while chunk:
        yield from _read_each(splitter.feed(chunk), reading)
        chunk = stream.read(_CHUNK)
    yield from _read_each(splitter.finish(), reading)


def _read_each(lines: Sequence[Line], reading: Reading) -> Iterator[Document]:
    for line in lines:
        content = b"" if line.content is None else line.content
        too_long = line.content is None
        found = _too_long(reading) if too_long else _read_one(Kind.JSON, content, reading)
        yield Document(line=line.number, found=found)


def _read_one(kind: Kind, content: bytes, reading: Reading) -> Submission | PublisherError:
    if len(content) > reading.limit:
        return _too_long(reading)
    try:
        if kind is Kind.JSON:
            return _checked(parse_json(content), reading.zone)
        if kind is Kind.HTML:
            page = parse_html_page(content, url=None, local=reading.zone)
        else:
            page = parse_text(read_bytes(content), local=reading.zone)
        checked = _checked(article_json(page, zone=reading.zone), reading.zone)
        return replace(checked, warnings=(*page.warnings, *checked.warnings))
    except PublisherError as error:
        return error


def _checked(raw: object, zone: ZoneInfo) -> Submission:
    """Return what the API would make of it, with a derived guid for what has neither url nor guid."""
    nameless = isinstance(raw, dict) and raw.get("url") is None and raw.get("guid") is None
    submission = parse_article({**raw, "guid": "derived"} if isinstance(raw, dict) and nameless else raw)
    published = submission.published.astimezone(zone) if submission.published else None
    if not nameless:
        return replace(submission, published=published)
    source = submission.source.name if submission.source else None
    guid = derived_guid(submission.title, published, source)
    return replace(submission, published=published, guid=guid)


def _too_long(reading: Reading) -> InvalidInput:
    return InvalidInput.of("", f"expected at most {reading.limit:,} bytes")


def _written(value: Any, zone: ZoneInfo) -> Any:
    if isinstance(value, dict):
        written = {name: _written(one, zone) for name, one in value.items()}
        return {name: one for name, one in written.items() if one not in (None, [])}
    if isinstance(value, (list, tuple)):
        return [_written(one, zone) for one in value]
    return value.astimezone(zone).isoformat() if isinstance(value, datetime) else value
