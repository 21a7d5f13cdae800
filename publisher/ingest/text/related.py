"""The other articles that a scraped page lists below or within its own."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import tzinfo

from publisher.article import Related
from publisher.ingest.dates import parse_date
from publisher.ingest.text.lines import DATES, Line, LineKind
from publisher.ingest.text.names import is_office

_MOST_RELATED = 50
_BULLET = re.compile(r"^(?:[-–—+•*·▪»>]+|[0-9]{1,2}[.)])\s+")
_DATE_AT_END = re.compile(
    r"\s*[(\[|–-]\s*(?:ngày )?(?P<date>[0-9]{1,2}[/.-][0-9]{1,2}[/.-][0-9]{4})\s*[)\]]?$", re.IGNORECASE
)


def read_related(lines: Iterable[Line], *, local: tzinfo) -> tuple[Related, ...]:
    """Return the other articles that the tail lists, at most fifty, in the order of the page."""
    items: list[Related] = []
    inside = False
    dated = False
    for line in lines:
        if line.kind in {LineKind.IMPRINT, LineKind.CONTACT} and inside:
            inside, items = False, _without_offices(items)
        elif line.kind in {LineKind.RELATED, LineKind.ASIDE}:
            inside = line.kind is LineKind.RELATED
        elif line.kind is LineKind.POINTER:
            items.append(Related(title=line.value))
        elif inside and line.kind in DATES and items:
            items[-1] = replace(items[-1], published=items[-1].published or line.at)
        elif inside and line.is_text:
            is_summary = line.is_sentence or (dated and line.attached)
            if is_summary and items and items[-1].summary is None:
                items[-1] = replace(items[-1], summary=line.text)
            else:
                items.extend(_item(line.text, local))
        dated = line.kind in DATES
    return tuple(items[:_MOST_RELATED])


def _item(text: str, local: tzinfo) -> Iterator[Related]:
    """Yield the article of a line such as `- Title (18/04/2024)`."""
    title = _BULLET.sub("", text)
    at = None
    if found := _DATE_AT_END.search(title):
        at = parse_date(found["date"], local=local)
        title = title[: found.start()]
    if title.strip():
        yield Related(title=title.strip(), published=at)


def _without_offices(items: list[Related]) -> list[Related]:
    """Return the items without the office that heads the footer below them.

    One that is not in capitals is told by having no date where the others have theirs.
    """
    dated = any(item.published for item in items)
    end = len(items)
    while end and items[end - 1].published is None and is_office(items[end - 1].title, in_capitals=not dated):
        end -= 1
    return items[:end]
