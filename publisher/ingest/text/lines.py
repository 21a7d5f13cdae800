"""The lines of a scraped page, and what each one is when it stands alone: text, date, credit, chrome."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from enum import StrEnum

from publisher.errors import InvalidInput
from publisher.ingest.dates import parse_date
from publisher.ingest.text import words
from publisher.text import clean_line, fold


class LineKind(StrEnum):
    """What a line is. Only whole lines count: a paragraph that mentions comments stays TEXT."""

    TEXT = "text"
    CLOCK = "clock"  # the day on which the page was looked at
    DATE = "date"  # a date without a word about what it dates
    PUBLISHED = "published"
    BYLINE = "byline"
    CREDIT = "credit"
    TAGS = "tags"
    POINTER = "pointer"  # one related article on one line
    CHROME = "chrome"  # navigation and controls: worth nothing wherever they stand
    NAVIGATION = "navigation"  # a menu's word: a subhead, if it stands in an article
    RELATED = "related"  # heading of a list of other articles on the matter
    ASIDE = "aside"  # heading of a comment box or of a list that has nothing to do with the article
    IMPRINT = "imprint"  # whose page it is
    CONTACT = "contact"  # an address or a number: a footer's, or the article's


DATES = frozenset({LineKind.PUBLISHED, LineKind.DATE})


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line that is not empty.

    Attributes:
        at: of a DATE or PUBLISHED that makes sense.
        value: what follows the label: the name of a CREDIT, the names of a BYLINE, …
        attached: no empty line stands between this line and the one before.
    """

    text: str
    kind: LineKind
    at: datetime | None = None
    value: str = ""
    attached: bool = False

    @property
    def is_text(self) -> bool:
        """Whether this line may belong to an article whatever stands around it."""
        return self.kind is LineKind.TEXT

    @property
    def is_sentence(self) -> bool:
        """Whether this line is text that ends as a sentence does."""
        return self.is_text and ends_sentence(self.text)

    @property
    def is_paragraph(self) -> bool:
        """Whether this line is certainly running text: a sentence, and longer than most titles."""
        return self.is_sentence and len(self.text) >= 100


_SENTENCE_END = re.compile(r"[.!…][\"”’»)\]]*(?: ?/ ?\.)?$")
_LABELS = (
    (LineKind.PUBLISHED, words.PUBLISHED),
    (LineKind.CREDIT, words.CREDIT),
    (LineKind.BYLINE, words.BYLINE),
    (LineKind.TAGS, words.TAGS),
    (LineKind.POINTER, words.POINTER),
)
_NAMES = (
    (LineKind.RELATED, words.RELATED),
    (LineKind.ASIDE, words.ASIDE),
    (LineKind.CHROME, words.CHROME),
    (LineKind.NAVIGATION, words.NAVIGATION),
    (LineKind.IMPRINT, words.IMPRINT),
    (LineKind.CONTACT, words.CONTACT),
)
_LONGEST_CHROME = 200
_MOST_LINES = 20_000
_LONGEST_NAME = 100


def ends_sentence(text: str) -> bool:
    """Return whether the text ends with a full stop, an ellipsis or an exclamation mark."""
    return _SENTENCE_END.search(text[-12:]) is not None


def read_lines(text: str, *, local: tzinfo) -> list[Line]:
    """Return the clean lines that are not empty; a line that was broken on the way is whole again.

    Raises:
        InvalidInput: there are more than 20,000 lines, which no article has.
    """
    lines: list[Line] = []
    pieces: list[str] = []
    for line in _separate(text, local):
        before = lines[-1] if lines else None
        if before and before.is_text and line.is_text and line.attached and _goes_on(pieces[-1], line.text):
            pieces.append(line.text)
            continue
        _close(lines, pieces)
        pieces = [line.text]
        lines.append(line)
    _close(lines, pieces)
    return lines


def read_line(text: str, *, local: tzinfo, attached: bool = False) -> Line:
    """Return what this clean line is when it stands alone."""
    if len(text) > _LONGEST_CHROME:
        return Line(text=text, kind=LineKind.TEXT, attached=attached)
    if labelled := _labelled(text, local):
        return replace(labelled, attached=attached)
    folded = fold(text)
    at = parse_date(text, local=local)
    if at and "hom nay" not in folded:
        return Line(text=text, kind=LineKind.DATE, at=at, attached=attached)
    if (clock := words.CLOCK.fullmatch(folded)) and parse_date(clock["date"], local=local):
        return Line(text=text, kind=LineKind.CLOCK, attached=attached)
    return Line(text=text, kind=_named(folded.strip(" .:>»")), attached=attached)


def says_the_same(line: str, title: str) -> bool:
    """Return whether a line repeats the title, however it is written."""
    return len(line) <= 2 * len(title) and fold(line) == fold(title)


def _separate(text: str, local: tzinfo) -> Iterator[Line]:
    attached = False
    raws = text.splitlines()
    if len(raws) > _MOST_LINES:
        raise InvalidInput.of("/content_text", f"expected at most {_MOST_LINES} lines, found {len(raws)}")
    for raw in raws:
        line = clean_line(raw)
        if line:
            yield read_line(line, local=local, attached=attached)
        attached = bool(line)


def _close(lines: list[Line], pieces: list[str]) -> None:
    """Give the last line the text of all its pieces."""
    if len(pieces) > 1:
        lines[-1] = replace(lines[-1], text=" ".join(pieces))


def _goes_on(before: str, after: str) -> bool:
    """Return whether a line is the second half of the one before: it starts small, or that one is open."""
    if ends_sentence(before) or before.endswith((":", "?", ";")):
        return False
    return after[0].islower() or before.endswith((",", " -", " –"))


def _labelled(text: str, local: tzinfo) -> Line | None:
    """Return the line as its label says, None without a label or if no such thing follows it."""
    for kind, label in _LABELS:
        if found := label.fullmatch(_without_brackets(text)):
            value = found["value"].strip(" .,;")
            at = parse_date(value, local=local) if kind is LineKind.PUBLISHED else None
            if _keeps_promise(kind, text, value, at):
                return Line(text=text, kind=kind, at=at, value=value)
    return None


def _without_brackets(text: str) -> str:
    return text[1:-1].strip() if text.startswith("(") and text.endswith(")") else text


def _keeps_promise(kind: LineKind, text: str, value: str, at: datetime | None) -> bool:
    """Return whether what follows the label is a date, a name or a title rather than a sentence."""
    if kind is LineKind.PUBLISHED:
        return at is not None or re.fullmatch(r"[0-9][0-9 /.:-]*", value) is not None
    if kind in {LineKind.CREDIT, LineKind.BYLINE}:
        return 0 < len(value) <= _LONGEST_NAME and not (ends_sentence(text) and len(value.split()) > 10)
    return bool(value)


def _named(folded: str) -> LineKind:
    for kind, pattern in _NAMES:
        if pattern.fullmatch(folded):
            return kind
    return LineKind.TEXT
