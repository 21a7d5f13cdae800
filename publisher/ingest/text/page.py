"""A page of a Vietnamese portal, scraped as text, read into the fields of an article."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from publisher.article import Person, Source
from publisher.errors import InvalidInput
from publisher.ingest.dates import states_time
from publisher.ingest.submission import Submission
from publisher.ingest.text.body import read_blocks, render, without_end_mark
from publisher.ingest.text.lead import split_lead
from publisher.ingest.text.lines import Line, LineKind, read_lines, says_the_same
from publisher.ingest.text.names import is_names, people, read_source
from publisher.ingest.text.plain import parse_plain_text
from publisher.ingest.text.related import read_related
from publisher.ingest.text.tail import read_ending, split_boxes, split_tail, tags_of
from publisher.text import forbidden_characters

_MARKERS = {
    *(LineKind.CLOCK, LineKind.PUBLISHED, LineKind.CREDIT, LineKind.RELATED, LineKind.ASIDE),
    *(LineKind.CHROME, LineKind.IMPRINT),
}
_HEADER = 12
_SHORTEST_HALF = 30


@dataclass(frozen=True, kw_only=True)
class _Header:
    title: str
    published: datetime | None
    source: Source | None
    authors: tuple[Person, ...]
    rest: Sequence[Line]


def parse_text(text: str, *, local: tzinfo) -> Submission:
    """Return the article of a text: of a portal's page if it is one, else its first line and the rest.

    Raises:
        InvalidInput: the text is empty, or the page has a title and no article.
    """
    return parse_text_page(text, local=local) or parse_plain_text(text)


def parse_text_page(text: str, *, local: tzinfo) -> Submission | None:
    """Return the article of a portal's page, or None if nothing says that the text is such a page.

    The lead is the summary and stays out of the body, which holds everything below it; a page of which no
    paragraph is clearly the lead has no summary and its whole text as body. The body is HTML of `p`, `h2`
    and `figure`. Neither url nor guid is known from a text.

    Args:
        local: the zone of dates that state no offset.

    Raises:
        InvalidInput: the page has a title and no article.
    """
    lines = read_lines(text, local=local)
    if not is_page(lines):
        return None
    header = _read_header(lines)
    article, tail = split_tail(header.rest)
    article, boxes = split_boxes(article)
    ending = read_ending([line for line in article if _belongs(line)])
    lead, body = split_lead(ending.body)
    if not body:
        raise InvalidInput.of("/content_text", "expected an article below the title, found none")
    removed = forbidden_characters(text.replace("\f", "\n").replace("\v", "\n"))
    return Submission(
        title=header.title,
        summary=lead and without_end_mark(lead),
        content_html=render(read_blocks([line.text for line in body])),
        published=header.published,
        source=ending.source or header.source,
        authors=ending.authors or header.authors,
        related=read_related([*boxes, *tail], local=local),
        tags=tags_of([*article, *tail]),
        warnings=(f"content_text: removed control character ({removed})",) if removed else (),
    )


def is_page(lines: Sequence[Line]) -> bool:
    """Return whether a line says that this text was scraped from a page: a clock, a control, a credit, …

    A bare date says so only near the top, where pages have it.
    """
    return any(line.kind in _MARKERS for line in lines) or any(
        line.kind is LineKind.DATE for line in lines[1:_HEADER]
    )


def _belongs(line: Line) -> bool:
    return line.kind not in {LineKind.CHROME, LineKind.PUBLISHED, LineKind.TAGS}


def _read_header(lines: Sequence[Line]) -> _Header:
    date = _date_position(lines)
    first, last = _title_position(lines, date)
    title = " ".join(line.text for line in lines[first : last + 1])
    start = last + 1
    while start < len(lines) and _is_header(lines, start, title):
        start += 1
    header = lines[:start]
    credited = [line.value for line in header if line.kind is LineKind.CREDIT]
    names = [line.value for line in header if line.kind is LineKind.BYLINE]
    names = names or [line.text for line in lines[last + 1 : start] if is_names(line)]
    return _Header(
        title=title,
        published=lines[date].at if date is not None else None,
        source=read_source(credited[0]) if credited else None,
        authors=people(", ".join(names)),
        rest=lines[start:],
    )


def _is_header(lines: Sequence[Line], position: int, title: str) -> bool:
    """Return whether this line below the title is not yet the article: no text, or title or names again."""
    line = lines[position]
    if not line.is_text or says_the_same(line.text, title):
        return True
    following = lines[position + 1 : position + 2]
    return is_names(line) and any(after.is_paragraph or not after.is_text for after in following)


def _date_position(lines: Sequence[Line]) -> int | None:
    """Return the line that dates the article: the first that says so, else a bare date around the title.

    A bare date above the title without a time of day is the portal's clock. A date below other articles'
    titles dates those.
    """
    article = next((i for i, line in enumerate(lines) if i and line.kind is LineKind.RELATED), len(lines))
    for position, line in enumerate(lines[:article]):
        if line.kind is LineKind.PUBLISHED:
            return position
    top = next((i for i, line in enumerate(lines) if line.is_paragraph), len(lines))
    bare = [i for i in range(min(top, article, _HEADER)) if lines[i].kind is LineKind.DATE]
    below = [i for i in bare if any(line.is_text for line in lines[:i])]
    timed = [i for i in bare if states_time(lines[i].text)]
    return next(iter([*below, *timed]), None)


def _title_position(lines: Sequence[Line], date: int | None) -> tuple[int, int]:
    """Return the first and last line of the title: the last text above the date, else the first text.

    A date below a paragraph stands at the foot of the article: it says nothing about the title.
    """
    above = [i for i in range(date or 0) if lines[i].is_text]
    if above and (len(above) == 1 or not any(lines[i].is_paragraph for i in above)):
        named = [i for i in above if not is_names(lines[i])]
        last = (named or above)[-1]
    else:
        below = range(date + 1 if date is not None and not above else 0, len(lines))
        found = next((i for i in below if lines[i].is_text), None)
        if found is None:
            raise InvalidInput.of("/title", "expected a page with a title, found only navigation")
        last = found
    first = last - 1 if last and _is_first_half(lines[last - 1], lines[last]) else last
    return first, last


def _is_first_half(before: Line, line: Line) -> bool:
    """Return whether a title in capitals was set on two lines."""
    both = before.is_text and line.attached and before.text.isupper() and line.text.isupper()
    return both and len(before.text) >= _SHORTEST_HALF
