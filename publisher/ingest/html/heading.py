"""The title of an article on its HTML page, and who is named below it."""

import re

from lxml import html

from publisher.errors import InvalidInput
from publisher.ingest.html.meta import Metadata
from publisher.ingest.html.tree import remove, short_text_of, text_of
from publisher.ingest.text.lines import Line, LineKind
from publisher.ingest.text.names import is_names
from publisher.text import clean_line, fold

_TITLE_NAMES = re.compile(r"(?:.*[-_])?(?:title|titlemain|headline|tieu-?de)", re.IGNORECASE)
_AUTHOR_NAMES = re.compile(r"(?:.*[-_])?(?:author|byline|tac-?gia)(?:[-_]name)?", re.IGNORECASE)
_SITE_SUFFIX = re.compile(r"\s+[|–—-]\s+[^|–—-]{2,60}$")
_LONGEST_TITLE = 400
_LONGEST_NAMES = 80


def find_heading(tree: html.HtmlElement, meta: Metadata) -> html.HtmlElement | None:
    """Return the article's heading: what `og:title` says too, else what is named so, else the longest."""
    headings = [
        (element, text)
        for element in tree.iter("h1", "h2", "h3")
        if (text := short_text_of(element, longest=_LONGEST_TITLE))
    ]
    stated = fold(meta.first("og:title") or "")
    for element, text in headings:
        if stated and len(text) > 3 and stated.startswith(fold(text)):
            return element
    first = [(element, text) for element, text in headings if element.tag == "h1"]
    named = [(element, text) for element, text in first or headings if _is_title(element)]
    best = max(named or first, key=lambda heading: len(heading[1]), default=None)
    return best[0] if best else None


def title_of(tree: html.HtmlElement, heading: html.HtmlElement | None, meta: Metadata) -> str:
    """Return the title: the heading, else what the page states, without the name of its site.

    Raises:
        InvalidInput: the page has none.
    """
    if heading is not None:
        return text_of(heading)
    element = tree.find(".//title")
    stated = meta.first("og:title", "twitter:title") or (text_of(element) if element is not None else "")
    title = _SITE_SUFFIX.sub("", clean_line(stated)[:_LONGEST_TITLE])
    if not title:
        raise InvalidInput.of("/title", "expected a page with a title (h1, og:title or title), found none")
    return title


def take_authors(tree: html.HtmlElement, meta: Metadata) -> list[str]:
    """Return the names that the page marks as its authors and take them out; offices and sites are none."""
    marked = [
        (element, name)
        for element in tree.iter("a", "address", "div", "p", "span", "strong")
        if _is_author(element) and _is_person(name := short_text_of(element, longest=_LONGEST_NAMES))
    ]
    for element, _ in marked:
        remove(element)
    return [name for _, name in marked] or [name for name in meta.authors() if _is_person(name)]


def _is_person(name: str) -> bool:
    return is_names(Line(text=name, kind=LineKind.TEXT))


def _is_title(element: html.HtmlElement) -> bool:
    tokens = f"{element.get('class') or ''} {element.get('itemprop') or ''}"[:500].split()
    return any(_TITLE_NAMES.fullmatch(token) for token in tokens)


def _is_author(element: html.HtmlElement) -> bool:
    tokens = f"{element.get('class') or ''} {element.get('itemprop') or ''} {element.get('rel') or ''}"[:500]
    return any(_AUTHOR_NAMES.fullmatch(token) for token in tokens.split())
