"""The way between HTML and plain text: paragraphs."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from publisher.markup import EndTag, StartTag, Text, escaped, tokens
from publisher.text import clean, clean_line

# fmt: off
_BLOCKS = frozenset((
    "address", "article", "aside", "audio", "blockquote", "body", "caption", "center", "details", "div",
    "dl", "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "head",
    "header", "hr", "html", "main", "nav", "ol", "p", "pre", "section", "summary", "table", "ul", "video",
))
# fmt: on
# What begins a new line without a blank one before it.
_LINES = frozenset(("br", "dd", "dt", "li", "tr"))
_CELLS = frozenset(("td", "th"))
_DEEPEST = 100


class Paragraph(NamedTuple):
    """A piece of text that stands on its own.

    Attributes:
        element: the block or line element that it stands in; empty for none.
        joined: it belongs to what stands before it: a further line, list item or row.
    """

    element: str
    text: str
    joined: bool


def paragraphs_of(markup: str) -> list[Paragraph]:
    """Return the text of HTML in clean pieces, none of them empty."""
    found: list[Paragraph] = []
    pieces: list[str] = []
    open_elements = [""]
    joined = False
    for token in tokens(markup):
        if isinstance(token, Text):
            pieces.append(token.text)
        elif token.name in _BLOCKS or token.name in _LINES:
            if text := clean_line("".join(pieces)):
                found.append(Paragraph(open_elements[-1], text, joined))
                joined = True
            pieces.clear()
            joined = joined and token.name in _LINES
            _keep_track(open_elements, token)
        elif token.name in _CELLS:
            pieces.append(" ")
    if text := clean_line("".join(pieces)):
        found.append(Paragraph(open_elements[-1], text, joined))
    return found


def _keep_track(open_elements: list[str], token: StartTag | EndTag) -> None:
    if token.name in ("br", "hr"):
        return
    if isinstance(token, StartTag):
        open_elements.append(token.name)
    elif token.name in open_elements[-_DEEPEST:]:
        while open_elements.pop() != token.name:
            pass


def joined(paragraphs: Sequence[Paragraph]) -> str:
    """Return paragraphs as plain text: a blank line between blocks, a line end between items and rows."""
    pieces = (("\n" if one.joined else "\n\n") + one.text for one in paragraphs)
    return "".join(pieces).strip("\n")


def text_of(markup: str) -> str:
    """Return the plain text of HTML."""
    return joined(paragraphs_of(markup))


def html_of(text: str) -> str:
    """Return plain text as HTML: a blank line begins a new `<p>`, a single line end is a `<br>`."""
    blocks = re.split(r"\n[ \t]*\n\s*", clean(text).strip())
    lines = ("<br>".join(escaped(line.strip()) for line in block.split("\n")) for block in blocks if block)
    # Cleaned once more: a line may begin with a mark that would melt into the tag before it.
    return clean("".join(f"<p>{block}</p>" for block in lines))
