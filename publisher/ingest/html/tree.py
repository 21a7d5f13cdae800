"""An HTML page as a tree, and the lines of text that a reader sees in it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import tzinfo

from lxml import etree, html

from publisher.errors import InvalidInput
from publisher.ingest.reading import read_html_bytes
from publisher.ingest.text.lines import Line, read_line
from publisher.text import clean, clean_line

# More than any article's page has. Parsing takes quadratic time for the attributes of one element.
_MOST_ELEMENTS = 40_000
_MOST_ATTRIBUTES = 3_000
_BLOCKS = frozenset(
    (
        *("address", "article", "aside", "blockquote", "body", "br", "caption", "center", "dd", "details"),
        *("div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4"),
        *("h5", "h6", "header", "hr", "html", "li", "main", "nav", "ol", "p", "pre", "section", "summary"),
        *("table", "tbody", "td", "tfoot", "th", "thead", "title", "tr", "ul"),
    )
)


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A line of the page and the element whose text it is; `whole`: that element holds nothing else."""

    line: Line
    element: html.HtmlElement
    whole: bool


def parse_tree(page: str | bytes) -> html.HtmlElement:
    """Return the page without comments, however broken it is.

    Raises:
        InvalidInput: there is nothing to parse, or more than a page can be.
    """
    text = clean(read_html_bytes(page) if isinstance(page, bytes) else page)
    if any(len(tag.split()) > _MOST_ATTRIBUTES for tag in _tags(text)):
        raise InvalidInput.of("/content_html", f"expected at most {_MOST_ATTRIBUTES:,} attributes an element")
    parser = html.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True)
    try:
        tree = html.document_fromstring(text.encode("utf-8"), parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError) as error:
        raise InvalidInput.of("/content_html", "expected an HTML page, found nothing to read") from error
    if sum(1 for _ in tree.iter()) > _MOST_ELEMENTS:
        raise InvalidInput.of("/content_html", f"expected at most {_MOST_ELEMENTS:,} elements")
    return tree


def text_of(element: html.HtmlElement) -> str:
    """Return the element's text on one clean line."""
    return clean_line("".join(element.itertext()))


def short_text_of(element: html.HtmlElement, *, longest: int) -> str:
    """Return the element's text like `text_of`, or nothing if it is longer; stops reading there."""
    words: list[str] = []
    length = 0
    for text in element.itertext():
        words.append(text)
        length += len(text.strip())
        if length > longest:
            return ""
    line = clean_line("".join(words))
    return line if len(line) <= longest else ""


def pieces_of(
    root: html.HtmlElement, *, local: tzinfo, without: html.HtmlElement | None = None
) -> list[Piece]:
    """Return the lines of the element, in the order of the page, without those of one element in it."""
    found = list(_runs(root, without))
    owners: dict[html.HtmlElement, int] = {}
    for _, owner in found:
        owners[owner] = owners.get(owner, 0) + 1
    return [
        Piece(
            line=read_line(text, local=local),
            element=owner,
            whole=owners[owner] == 1 and not any(child.tag in _BLOCKS for child in owner),
        )
        for text, owner in found
    ]


def weights_of(root: html.HtmlElement) -> dict[html.HtmlElement, int]:
    """Return for each element how much text it holds that is not a link."""
    weights: dict[html.HtmlElement, int] = {}
    for element in reversed(list(root.iter("*"))):
        own = 0 if element.tag in {"a", "script", "style"} else len((element.text or "").strip())
        weights[element] = weights.get(element, 0) + own
        parent = element.getparent()
        if parent is not None and element is not root:
            inherited = 0 if element.tag in {"a", "script", "style"} else weights[element]
            weights[parent] = weights.get(parent, 0) + inherited + len((element.tail or "").strip())
    return weights


def main_text(root: html.HtmlElement) -> list[html.HtmlElement]:
    """Return the elements that hold more than half of the text each."""
    weights = weights_of(root)
    return [element for element, weight in weights.items() if 2 * weight > weights[root]]


def remove(element: html.HtmlElement) -> None:
    """Take the element out of its tree and leave the text behind it."""
    if element.getparent() is not None:
        element.drop_tree()


def _tags(text: str) -> Iterator[str]:
    """Yield whatever the parser may take for a start tag."""
    for part in text.split(">"):
        if found := re.search("<[A-Za-z]", part):
            yield part[found.start() :]


def _runs(root: html.HtmlElement, without: html.HtmlElement | None) -> Iterator[tuple[str, html.HtmlElement]]:
    """Yield each stretch of text between two borders of blocks, with the block that it stands in."""
    blocks = [root]
    words: list[str] = []
    walk = etree.iterwalk(root, events=("start", "end"))
    for event, element in walk:
        is_block = element.tag in _BLOCKS and element is not root
        if is_block:
            if line := clean_line("".join(words)):
                yield line, blocks[-1]
            words = []
            blocks.append(element) if event == "start" else blocks.pop()
        if element is without and event == "start":
            walk.skip_subtree()
            continue
        text = element.text if event == "start" else element.tail
        if text and not (event == "end" and element is root):
            words.append(text)
    if line := clean_line("".join(words)):
        yield line, root
