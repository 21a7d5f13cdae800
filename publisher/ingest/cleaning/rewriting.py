"""HTML written anew: balanced, shallow, of the elements that an article may be made of."""

from collections import Counter
from dataclasses import dataclass
from typing import Final

from publisher.errors import InvalidInput
from publisher.ingest.cleaning.attributes import Attributes
from publisher.markup import EndTag, StartTag, Text, Token, escaped, tokens
from publisher.text import clean, forbidden_characters

MOST_ELEMENTS = 50_000
# The sanitiser takes quadratic time for ampersands within one piece of text; comments part it.
_LONGEST_PIECE = 10_000
DEEPEST = 100
_VOID = frozenset(("br", "hr", "img", "source"))

# fmt: off
_RENAMED: Final = {
    "h1": "h2", "h5": "h4", "h6": "h4", "strike": "s", "tt": "code", "kbd": "code", "samp": "code",
    **dict.fromkeys((
        "address", "article", "aside", "center", "details", "fieldset", "footer", "header", "main", "nav",
        "section", "summary",
    ), "div"),
}
_DROPPED_WITH_CONTENT = frozenset((
    "applet", "button", "canvas", "math", "object", "select", "svg", "template",
))
_ACTIVE = _DROPPED_WITH_CONTENT | frozenset((
    "base", "embed", "form", "frame", "iframe", "input", "link", "meta", "script", "style", "textarea",
))
_CLOSES_PARAGRAPH = frozenset((
    "blockquote", "dd", "div", "dl", "dt", "figcaption", "figure", "h2", "h3", "h4", "hr", "li", "ol", "p",
    "pre", "table", "ul",
))
# fmt: on

_CELLS = frozenset(("caption", "td", "th"))
_TABLE = frozenset(("table",))
_ROW_GROUPS = frozenset(("tbody", "tfoot", "thead"))
# An element of the first kind ends open ones of the second, unless one of the third stands between them.
_IMPLIED_ENDS: Final = {
    "a": (frozenset(("a",)), _CELLS),
    "li": (frozenset(("li",)), frozenset(("ol", "ul"))),
    **dict.fromkeys(("dd", "dt"), (frozenset(("dd", "dt")), frozenset(("dl",)))),
    **dict.fromkeys(("td", "th"), (_CELLS, frozenset(("table", "tr")))),
    "tr": (_CELLS | {"tr"}, _TABLE),
    **dict.fromkeys(_ROW_GROUPS, (_CELLS | {"tr"} | _ROW_GROUPS, _TABLE)),
}
_END_STOPS_AT: Final = {
    "li": frozenset(("ol", "ul")),
    **dict.fromkeys(("dd", "dt"), frozenset(("dl",))),
    **dict.fromkeys(_CELLS | {"tr"} | _ROW_GROUPS, _TABLE),
    "table": frozenset[str](),
}


@dataclass(frozen=True, kw_only=True)
class Rewritten:
    """HTML in which every element is closed.

    Attributes:
        removed: what was left out and how often, but for elements that only lend their text.
    """

    html: str
    removed: Counter[str]


def rewrite(markup: str, *, base_url: str | None) -> Rewritten:
    """Return the HTML as its author meant it; it takes linear time to parse, whatever came in.

    Raises:
        InvalidInput: when there are more than MOST_ELEMENTS elements.
    """
    writer = _Writer(base_url)
    if control_characters := forbidden_characters(markup):
        writer.removed["control character"] += control_characters
    for token in tokens(clean(markup)):
        writer.write(token)
    return Rewritten(html=writer.finish(), removed=writer.removed)


class _Writer:
    """Writes tokens into balanced HTML, one after the other."""

    def __init__(self, base_url: str | None) -> None:
        self.removed: Counter[str] = Counter()
        self._attributes = Attributes(base_url, self.removed)
        self._written: list[str] = []
        self._open: list[str] = []
        self._skipping: list[str] = []
        self._elements = 0

    def write(self, token: Token) -> None:
        if self._skipping:
            self._skip(token)
        elif isinstance(token, Text):
            self._text(token)
        elif isinstance(token, StartTag):
            self._start(token)
        else:
            self._end(token)

    def finish(self) -> str:
        self._close_from(0)
        return "".join(self._written)

    def _skip(self, token: Token) -> None:
        if isinstance(token, StartTag) and token.name == self._skipping[-1]:
            self._skipping.append(token.name)
        elif isinstance(token, EndTag) and token.name == self._skipping[-1]:
            self._skipping.pop()

    def _text(self, token: Text) -> None:
        text = token.text
        if token.resolved:
            self.removed["control character"] += forbidden_characters(text)
            text = clean(text)
        if self._open[-1:] == ["pre"] and self._written[-1].startswith("<pre"):
            # A parser drops the first line end of a `pre`, one at every reading.
            text = text.lstrip("\n")
        pieces = (text[at : at + _LONGEST_PIECE] for at in range(0, len(text), _LONGEST_PIECE))
        self._written.append("<!---->".join(map(escaped, pieces)))

    def _start(self, tag: StartTag) -> None:
        self._elements += 1
        if self._elements > MOST_ELEMENTS:
            raise InvalidInput.of("/content_html", f"expected at most {MOST_ELEMENTS:,} HTML elements")
        if tag.name in _ACTIVE:
            self.removed[tag.name] += 1
        if tag.name in _DROPPED_WITH_CONTENT:
            self._skipping.append(tag.name)
            return
        name = _RENAMED.get(tag.name, tag.name)
        attributes = self._attributes.written(StartTag(name, tag.attributes))
        if attributes is None:
            return
        self._end_implied(name)
        if len(self._open) >= DEEPEST:
            return
        self._written.append(f"<{name}{attributes}>")
        if name not in _VOID:
            self._open.append(name)

    def _end_implied(self, name: str) -> None:
        if name in _CLOSES_PARAGRAPH:
            self._close({"p"}, stops=_CELLS)
        if name in _IMPLIED_ENDS:
            closed, stops = _IMPLIED_ENDS[name]
            while self._close(closed, stops=stops):
                pass

    def _end(self, tag: EndTag) -> None:
        name = _RENAMED.get(tag.name, tag.name)
        self._close({name}, stops=_END_STOPS_AT.get(name, _CELLS))

    def _close(self, names: set[str] | frozenset[str], *, stops: frozenset[str]) -> bool:
        """Close the innermost open element of these names and all within it."""
        for i in range(len(self._open) - 1, -1, -1):
            if self._open[i] in names:
                self._close_from(i)
                return True
            if self._open[i] in stops:
                return False
        return False

    def _close_from(self, index: int) -> None:
        self._written.extend(f"</{name}>" for name in reversed(self._open[index:]))
        del self._open[index:]
