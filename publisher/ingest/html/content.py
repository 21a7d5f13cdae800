"""The text of an article's body on its HTML page, freed from what portals put into it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo

from lxml import html

from publisher.errors import InvalidInput
from publisher.ingest.html.tree import Piece, pieces_of
from publisher.ingest.text.body import read_blocks, render
from publisher.ingest.text.lines import Line, LineKind, says_the_same
from publisher.ingest.text.tail import Ending, read_ending, split_boxes, split_tail, tags_of
from publisher.text import fold

_NEVER_ARTICLE = {LineKind.CHROME, LineKind.PUBLISHED, LineKind.TAGS}
_MEDIA = {"img", "figure", "video", "audio"}
_END_MARK = re.compile(
    r"\.?(?P<quote>[\"”’»)]?) ?/\.(?P<close>\s*(?:</(?:strong|em|b|i|span)>){0,4}</(?:p|div)>)"
)
_SHORTEST_DESCRIPTION = 40
_FEWEST_PARAGRAPHS = 3


@dataclass(frozen=True, kw_only=True)
class Content:
    """What the body of a page holds.

    Attributes:
        markup: HTML, not sanitised, not empty.
        lead: the first paragraph, if it is what the page gives as its description; not in the markup then.
        ending: the credit and the names below the text.
        tags: from a line in the body.
        rest: the lines of lists and boxes within or below it.
    """

    markup: str
    lead: str | None
    ending: Ending
    tags: tuple[str, ...]
    rest: Sequence[Line]


def read_content(body: html.HtmlElement, *, title: str, description: str | None, local: tzinfo) -> Content:
    """Return what the body holds; changes its tree.

    Args:
        description: what may be the lead; None if the lead is known from elsewhere.

    Raises:
        InvalidInput: nothing is left of the body.
    """
    pieces = pieces_of(body, local=local)
    lines = [piece.line for piece in pieces]
    article, tail = split_tail(lines)
    article, boxes = split_boxes(article)
    ending = read_ending([line for line in article if _belongs(line, title)])
    kept = list(ending.body)
    lead = kept.pop(0).text if kept and _is_lead(kept, description) else None
    if not kept:
        raise InvalidInput.of("/content_html", "expected an article below the title, found none")
    return Content(
        markup=_markup(body, pieces, {id(line) for line in kept}),
        lead=lead,
        ending=ending,
        tags=tags_of([*article, *tail]),
        rest=[*boxes, *tail],
    )


def _belongs(line: Line, title: str) -> bool:
    return line.kind not in _NEVER_ARTICLE and not says_the_same(line.text, title)


def _is_lead(lines: Sequence[Line], description: str | None) -> bool:
    """Return whether the first of these lines is what the page describes itself with (often cut short)."""
    start = fold(description or "").rstrip(".… ")
    paragraphs = sum(line.is_sentence for line in lines)
    long_enough = len(start) >= _SHORTEST_DESCRIPTION and paragraphs >= _FEWEST_PARAGRAPHS
    return long_enough and fold(lines[0].text).startswith(start)


def _markup(body: html.HtmlElement, pieces: Sequence[Piece], kept: set[int]) -> str:
    """Return the HTML of the lines that are kept; where a line is no element, of their text alone."""
    mixed = sum(len(piece.line.text) for piece in pieces if not piece.whole)
    if 2 * mixed > sum(len(piece.line.text) for piece in pieces):
        return render(read_blocks([piece.line.text for piece in pieces if id(piece.line) in kept]))
    last = max(position for position, piece in enumerate(pieces) if id(piece.line) in kept)
    if last + 1 < len(pieces):
        _drop_media_from(body, pieces[last + 1].element)
    for piece in pieces:
        if id(piece.line) not in kept and piece.whole and piece.element.getparent() is not None:
            piece.element.drop_tree()
    return _serialised(body)


def _drop_media_from(body: html.HtmlElement, first: html.HtmlElement) -> None:
    below = False
    for element in list(body.iter("*")):
        below = below or element is first
        if below and element.tag in _MEDIA and element.getparent() is not None:
            element.drop_tree()


def _serialised(body: html.HtmlElement) -> str:
    """Return what the body holds, with a plain full stop for the closing `./.` of an official text."""
    children = "".join(html.tostring(child, encoding="unicode") for child in body)
    start = (body.text or "").replace("&", "&amp;").replace("<", "&lt;")
    return _END_MARK.sub(r".\g<quote>\g<close>", start + children).strip()
