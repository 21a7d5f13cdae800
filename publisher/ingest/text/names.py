"""The names on a page: who wrote the article, and where it was taken from."""

import re

from publisher.article import Person, Source
from publisher.ingest.text.lines import Line
from publisher.ingest.text.words import OFFICE
from publisher.text import clean_line, fold

_BETWEEN_NAMES = re.compile(r"\s*(?:[,;&/]| [-–] | và )\s*")
_NOT_PEOPLE = {
    *("ha noi", "viet nam", "da nang", "hai phong", "can tho", "ho chi minh", "tp ho chi minh", "sai gon"),
    *("viet nam thong tan xa", "ban bien tap", "toa soan"),
}
# A name in capitals is known by its first word only; a short title in capitals is none.
_SURNAME = re.compile(
    "bui|cao|chu|dang|dao|dinh|do|doan|duong|ha|ho|hoang|huynh|kieu|la|lam|le|luong|luu|ly|mai|ngo|nguyen|pham"
    "|phan|phung|quach|ta|thai|tran|trinh|truong|tu|vo|vu|vuong"
)


def read_source(value: str) -> Source:
    """Return the credited source; one that is given as an address is named after its host."""
    if found := re.match(r"https?://(?:www\.)?(?P<host>[\w.-]+)(?::[0-9]+)?(?:[/?#]\S*)?$", value):
        return Source(name=found["host"], url=value)
    return Source(name=value)


def people(names: str) -> tuple[Person, ...]:
    """Return the authors that a byline names, each once."""
    parts = (clean_line(part).strip(" .()") for part in _BETWEEN_NAMES.split(names))
    return tuple(Person(name=name) for name in dict.fromkeys(parts) if name)


def is_names(line: Line) -> bool:
    """Return whether the line is nothing but names of people: two to four capitalised words each."""
    return line.is_text and all(_is_name(part) for part in _BETWEEN_NAMES.split(line.text.strip("()")))


def is_office(text: str, *, in_capitals: bool = True) -> bool:
    """Return whether the text is the name of an office, as it heads a footer."""
    return (text.isupper() or not in_capitals) and OFFICE.fullmatch(fold(text)) is not None


def _is_name(text: str) -> bool:
    words = text.split()
    if not 2 <= len(words) <= 4 or not all(word.isalpha() for word in words) or fold(text) in _NOT_PEOPLE:
        return False
    return all(word.istitle() for word in words) or (
        text.isupper() and _SURNAME.fullmatch(fold(words[0])) is not None
    )
