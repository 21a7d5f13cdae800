"""Where an article ends on a scraped page, and what its last lines say: credit and byline."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from publisher.article import Person, Source
from publisher.ingest.text.lines import DATES, Line, LineKind
from publisher.ingest.text.names import is_names, is_office, people, read_source

_MOST_NAMES = 2
_LONGEST_NOTE = 60
_FEW = 2
_END = {LineKind.RELATED, LineKind.ASIDE, LineKind.IMPRINT}
_CREDIT_WITHOUT_COLON = re.compile(r"\(?(?:Theo|Nguồn) (?P<value>[\w(][^.!?…]{1,40}(?:\.\w{2,12})*)\)?")


@dataclass(frozen=True, kw_only=True)
class Ending:
    """What the last lines of an article say about it; `body` is what remains."""

    body: tuple[Line, ...]
    source: Source | None = None
    authors: tuple[Person, ...] = ()


def split_tail(lines: Sequence[Line]) -> tuple[Sequence[Line], Sequence[Line]]:
    """Return the article and what follows it.

    A heading of a list or a box ends the article, unless two paragraphs in a row follow and nothing said
    before that the article was over: then it stood in the middle. Readers' comments are paragraphs, too:
    below a comment box the article must also say, later, that it is over. Contact lines end it when no
    paragraph follows them and there are two of them.
    """
    resumed = _resumptions(lines)
    contacts = _contact_footer(lines)
    last_end = max((i for i, line in enumerate(lines) if _closes(line)), default=-1)
    paragraphs = 0
    over = False
    for position, line in enumerate(lines):
        over = _closes(line) or (over and not line.is_paragraph)
        paragraphs += line.is_paragraph
        goes_on = resumed[position] and not over
        if line.kind is LineKind.ASIDE:
            goes_on = goes_on and (last_end > position or paragraphs < _FEW)
        if position == contacts or (line.kind in _END and not goes_on):
            return _before_offices(lines[:position]), lines[position:]
    return lines, ()


def split_boxes(lines: Sequence[Line]) -> tuple[list[Line], list[Line]]:
    """Return the article without the lists and boxes that stand in its middle, and the lines of these."""
    article: list[Line] = []
    boxes: list[Line] = []
    inside = False
    for line in lines:
        inside = line.kind in _END or (inside and not line.is_sentence)
        (boxes if inside or line.kind is LineKind.POINTER else article).append(line)
    return article, boxes


def read_ending(lines: Sequence[Line]) -> Ending:
    """Return the article's lines without the credit and the names below it."""
    body = list(lines)
    source: Source | None = None
    authors: tuple[Person, ...] = ()
    credit = _last_credit(body)
    if credit is not None:
        source = read_source(body[credit].value)
        authors = _bylines(body[credit + 1 :])
        del body[credit:]
    elif body and (found := _CREDIT_WITHOUT_COLON.fullmatch(body[-1].text)) and body[-1].is_text:
        source = read_source(found["value"])
        del body[-1]
    names = _trailing_names(body)
    if names:
        authors = authors or people(", ".join(names))
        del body[-len(names) :]
    return Ending(body=tuple(body), source=source, authors=authors)


def tags_of(lines: Sequence[Line]) -> tuple[str, ...]:
    """Return the tags that a line such as `Từ khóa: …` names, each once."""
    named = (line.value.replace(";", ",").split(",") for line in lines if line.kind is LineKind.TAGS)
    return tuple(dict.fromkeys(tag.strip(" #.") for tags in named for tag in tags if tag.strip(" #.")))


def _closes(line: Line) -> bool:
    """Return whether the line says that the article ends here: a credit, a byline, `./.`."""
    return line.kind in {LineKind.CREDIT, LineKind.BYLINE} or (line.is_text and line.text.endswith("/."))


def _resumptions(lines: Sequence[Line]) -> list[bool]:
    """Return for each line whether the article goes on below: two paragraphs in a row before any date.

    No list of related articles has that: each of its summaries stands under a title and a date.
    """
    resumed = [False] * len(lines)
    goes_on = False
    for position in range(len(lines) - 1, -1, -1):
        resumed[position] = goes_on
        if lines[position].kind in DATES:
            goes_on = False
        elif all(line.is_paragraph for line in lines[position : position + 2]) and position + 1 < len(lines):
            goes_on = True
    return resumed


def _contact_footer(lines: Sequence[Line]) -> int | None:
    """Return where contact lines begin that no paragraph follows; one alone may be the article's."""
    last = max((i for i, line in enumerate(lines) if line.is_paragraph), default=-1)
    contacts = [i for i in range(last + 1, len(lines)) if lines[i].kind is LineKind.CONTACT]
    return contacts[0] if len(contacts) > 1 else None


def _before_offices(lines: Sequence[Line]) -> Sequence[Line]:
    """Return the lines without the name of the office, in capitals, that heads a footer."""
    end = len(lines)
    while end and is_office(lines[end - 1].text):
        end -= 1
    return lines[:end]


def _last_credit(lines: Sequence[Line]) -> int | None:
    """Return where the credit stands below the last sentence; one further up is a picture's or a table's."""
    for position in range(len(lines) - 1, -1, -1):
        if lines[position].kind is LineKind.CREDIT:
            return position
        if lines[position].is_sentence and len(lines[position].text) > _LONGEST_NOTE:
            return None
    return None


def _bylines(lines: Sequence[Line]) -> tuple[Person, ...]:
    names = [line.value for line in lines if line.kind is LineKind.BYLINE]
    return people(", ".join(names or (line.text for line in lines if is_names(line))))


def _trailing_names(lines: Sequence[Line]) -> list[str]:
    """Return the names, on one or two lines, with which the article is signed below its last sentence."""
    names: list[str] = []
    for line in reversed(lines):
        if line.kind is LineKind.BYLINE or is_names(line):
            names.insert(0, line.value or line.text)
        else:
            return names if len(names) <= _MOST_NAMES and line.is_sentence else []
    return []
