"""What an HTML page says about its article around the body: date, credit, names, tags."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from lxml import html

from publisher.article import Person, Source
from publisher.ingest.html.heading import take_authors
from publisher.ingest.html.meta import Metadata
from publisher.ingest.html.tree import Piece, pieces_of, short_text_of
from publisher.ingest.text.lines import Line, LineKind, read_line
from publisher.ingest.text.names import is_names, people, read_source
from publisher.ingest.text.tail import tags_of

# A bare date further below the heading belongs to something else.
_NEAR_HEADING = 8
_LONGEST_PART = 120
_ENDS = {LineKind.RELATED, LineKind.ASIDE, LineKind.IMPRINT, LineKind.CONTACT}


@dataclass(frozen=True, kw_only=True)
class Outside:
    """What the lines around the body say; `lines`: those below the heading."""

    published: datetime | None
    source: Source | None
    authors: tuple[Person, ...]
    tags: tuple[str, ...]
    lines: Sequence[Line]


def read_outside(
    tree: html.HtmlElement,
    meta: Metadata,
    *,
    heading: html.HtmlElement | None,
    body: html.HtmlElement | None,
    local: tzinfo,
) -> Outside:
    """Return what a pruned page says around the body; without a known body, around the heading.

    Names that are marked as such, wherever they stand, are taken out of the tree.
    """
    marked = take_authors(tree, meta)
    pieces = pieces_of(tree, local=local, without=body)
    start = next((i for i, piece in enumerate(pieces) if piece.element is heading), -1)
    lines = [piece.line for piece in pieces[start + 1 :]]
    near = [line for piece in pieces[start + 1 :][:_NEAR_HEADING] for line in _parts(piece, local)]
    labelled = [line.at for line in [*near, *lines] if line.kind is LineKind.PUBLISHED]
    bare = [line.at for line in near if line.kind is LineKind.DATE]
    credited = [line.value for line in [*near, *lines] if line.kind is LineKind.CREDIT]
    bylines = [line.value for line in [*near, *lines] if line.kind is LineKind.BYLINE]
    return Outside(
        published=next(iter([*labelled, *bare]), None),
        source=read_source(credited[0]) if credited else None,
        authors=people(", ".join(bylines or marked or _signature(lines))),
        tags=tags_of(lines),
        lines=lines if body is not None else (),
    )


def _parts(piece: Piece, local: tzinfo) -> list[Line]:
    """Return the line and what has an element of its own in it: name, date and views share a line."""
    inline = piece.element.iter("span", "time", "em", "i", "small") if piece.whole else ()
    texts = (short_text_of(element, longest=_LONGEST_PART) for element in inline)
    return [piece.line, *(read_line(text, local=local) for text in texts if text)]


def _signature(lines: Sequence[Line]) -> list[str]:
    """Return the names that stand alone on the first such line, above all lists and boxes."""
    end = next((i for i, line in enumerate(lines) if line.kind in _ENDS), len(lines))
    return next(([line.text] for line in lines[:end] if is_names(line)), [])
