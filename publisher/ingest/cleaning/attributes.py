"""The elements and attributes that an article's HTML may have, and their values made safe."""

import re
from collections import Counter
from collections.abc import Collection
from typing import Final

from publisher.ingest.cleaning.addresses import absolute_address
from publisher.markup import StartTag, escaped_value
from publisher.text import clean, clean_line

_EVERYWHERE = frozenset(("dir", "lang"))
# fmt: off
_PLAIN = (
    "b", "br", "caption", "code", "dd", "del", "div", "dl", "dt", "em", "figcaption", "figure", "h2", "h3",
    "h4", "hr", "i", "ins", "li", "mark", "p", "pre", "s", "small", "strong", "sub", "sup", "table", "tbody",
    "tfoot", "thead", "tr", "u", "ul",
)
# fmt: on
ALLOWED: Final[dict[str, frozenset[str]]] = {
    **dict.fromkeys(_PLAIN, _EVERYWHERE),
    "a": _EVERYWHERE | {"href", "title"},
    "blockquote": _EVERYWHERE | {"cite"},
    "q": _EVERYWHERE | {"cite"},
    "ol": _EVERYWHERE | {"start"},
    "td": _EVERYWHERE | {"colspan", "rowspan"},
    "th": _EVERYWHERE | {"colspan", "rowspan"},
    "img": _EVERYWHERE | {"src", "srcset", "alt", "title", "width", "height"},
    "video": _EVERYWHERE | {"src", "poster", "width", "height"},
    "audio": _EVERYWHERE | {"src"},
    "source": frozenset(("src", "type")),
}
ADDRESSES = frozenset(("href", "src", "poster", "cite"))
LINK_REL = "noopener"
CONTACT_SCHEMES = frozenset(("mailto", "tel"))
_NEEDS: Final = {"a": "href", "img": "src", "source": "src"}
# Pages that load their pictures late keep the address here.
_LATE_SOURCES = ("data-src", "data-original")

_CONTACT = re.compile(r"(?:mailto|tel):[^\s<>\"\\]+", re.IGNORECASE)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*(?=:)", re.IGNORECASE)
_SEPARATOR = re.compile(r"(?<=[0-9][wx]),\s*|,\s+")
_DESCRIPTOR = re.compile(r"[0-9]{1,5}(?:\.[0-9]{1,4})?[wx]")
_MOST_CANDIDATES = 20
_LONGEST_TEXT = 1_000
_LONGEST_NAME = 30
# Relative addresses grow by their base; an article of nothing else would grow without bounds.
_MOST_GROWTH = 1_000_000
_VALUES: Final[dict[str, re.Pattern[str]]] = {
    **dict.fromkeys(("width", "height", "colspan", "rowspan"), re.compile("[0-9]{1,4}")),
    "start": re.compile("-?[0-9]{1,6}"),
    "dir": re.compile("ltr|rtl|auto"),
    "lang": re.compile("[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8}){0,5}"),
    "type": re.compile(r"[a-z0-9.+-]{1,50}/[a-z0-9.+-]{1,50}"),
}


class Attributes:
    """Write the attributes of start tags; what is removed is counted in `removed`."""

    def __init__(self, base_url: str | None, removed: Counter[str]) -> None:
        self._base_url = base_url
        self._removed = removed
        self._growth = 0

    def written(self, tag: StartTag) -> str | None:
        """Return ` name="value"…`, or None if the element has no place in an article."""
        if not tag.attributes:
            return "" if tag.name in ALLOWED and tag.name not in _NEEDS else None
        allowed = ALLOWED.get(tag.name, frozenset())
        self._count_active(tag.attributes.keys() - allowed)
        if tag.name not in ALLOWED:
            return None
        values = {name: self._value(name, value) for name, value in tag.attributes.items() if name in allowed}
        if tag.name == "img" and not values.get("src"):
            late = next((tag.attributes[name] for name in _LATE_SOURCES if name in tag.attributes), "")
            values["src"] = self._address(late) if late else None
        if tag.name in _NEEDS and not values.get(_NEEDS[tag.name]):
            return None
        if "href" in values:
            values["rel"] = LINK_REL
        return "".join(
            f' {name}="{escaped_value(value)}"' for name, value in values.items() if value is not None
        )

    def _count_active(self, names: Collection[str]) -> None:
        for name in names:
            if name == "style" or name.startswith("on"):
                self._removed[f"{clean_line(name)[:_LONGEST_NAME]} attribute"] += 1

    def _value(self, name: str, value: str) -> str | None:
        if name in ADDRESSES:
            return self._contact(value) if name == "href" and _CONTACT.match(value) else self._address(value)
        if name == "srcset":
            return self._candidates(value)
        if name in _VALUES:
            return value if _VALUES[name].fullmatch(value) else None
        return clean_line(value)[:_LONGEST_TEXT].rstrip()

    def _contact(self, value: str) -> str | None:
        return value if _CONTACT.fullmatch(value) and clean(value) == value else None

    def _address(self, value: str) -> str | None:
        absolute = absolute_address(value, self._base_url)
        self._growth += max(0, len(absolute) - len(value)) if absolute else 0
        if absolute and self._growth <= _MOST_GROWTH:
            return absolute
        scheme = _SCHEME.match("".join(value.split()))
        kind = f"{scheme[0].lower()[:_LONGEST_NAME]}: address" if scheme else "address that leads nowhere"
        self._removed[kind] += 1
        return None

    def _candidates(self, value: str) -> str | None:
        found = []
        for candidate in _SEPARATOR.split(value.strip(), maxsplit=_MOST_CANDIDATES)[:_MOST_CANDIDATES]:
            words = candidate.split()
            described = len(words) == 1 or (len(words) == 2 and _DESCRIPTOR.fullmatch(words[1]))
            if described and (absolute := self._address(words[0])):
                found.append(" ".join((absolute, *words[1:])))
        return ", ".join(found) or None
