"""What surrounds an article on its page: taken out, so that none of it is read as the article."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import tzinfo

from lxml import html

from publisher.article import Related
from publisher.ingest.cleaning.addresses import absolute_address
from publisher.ingest.html.tree import pieces_of, remove, short_text_of, text_of
from publisher.ingest.text.lines import Line, LineKind, read_line
from publisher.ingest.text.related import read_related
from publisher.text import fold

_NEVER_READ = (
    *("script", "style", "noscript", "template", "svg", "button", "select", "input", "textarea", "form"),
    *("nav", "footer", "aside", "iframe", "object", "embed"),
)
_NAMED_RELATED = re.compile(
    r"(?:^|[-_])(?:related|relate|tin-?lien-?quan|tin-?khac|(?:tin-?)?cung-?chuyen-?muc|other-?news|news-?other"
    r"|tin-?cung|read-?more|xem-?them|same-?category)",
    re.IGNORECASE,
)
_NAMED_CHROME = re.compile(
    r"(?:^|[-_])(?:comments?|binh-?luan|y-?kien|breadcrumbs?|(?:main|top|mega|sub)?-?menu|nav|navbar|navigation"
    r"|(?:site|page)?-?footer|shares?|sharing|social|side-?bar|banner|ads?|adv|advert\w*|quang-?cao|pagination|paging"
    r"|tool-?bar|font-?size|co-?chu|print|rating|vote|newsletter|subscribe|popup|modal|cookies?|login|search"
    r"|most-?(?:view|read)\w*|doc-?nhieu|xem-?nhieu|hot-?news|hidden|skip-?link)(?:$|[-_])",
    re.IGNORECASE,
)
_LONGEST_HEADING = 60
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6", "p", "div", "span", "strong", "b", "a", "li", "label", "dt")


def prune(tree: html.HtmlElement, *, keep: Iterable[html.HtmlElement]) -> list[html.HtmlElement]:
    """Take out what is not the article; return the lists of related articles among it.

    Args:
        keep: elements that are the article's: neither they nor what they stand in is taken out.
    """
    kept = _with_ancestors(keep)
    related: dict[html.HtmlElement, None] = {}
    for element in list(tree.iter("*")):
        if element in kept or element.getparent() is None or element.tag in {"html", "head", "body"}:
            continue
        if _is_named(element, _NAMED_RELATED):
            if not any(ancestor in related for ancestor in element.iterancestors()):
                related[element] = None
        elif element.tag in _NEVER_READ or _is_hidden(element) or _is_named(element, _NAMED_CHROME):
            remove(element)
    for element in related:
        remove(element)
    return list(related)


def prune_headed(
    tree: html.HtmlElement, *, keep: Iterable[html.HtmlElement], local: tzinfo
) -> list[html.HtmlElement]:
    """Take out lists and boxes that are known by their heading alone; return the related ones.

    What is taken out is the largest element around the heading that holds nothing of the article.
    """
    kept = _with_ancestors(keep)
    related: list[html.HtmlElement] = []
    for element in list(tree.iter(*_HEADINGS)):
        kind = _heading(element, local)
        box = _box(element, kept) if kind else None
        if box is None:
            continue
        if kind is LineKind.RELATED:
            related.append(box)
        remove(box)
    return related


def related_articles(
    lists: Iterable[Iterable[Line]], *, links: Mapping[str, str], local: tzinfo
) -> tuple[Related, ...]:
    """Return the articles that these lines list, each once, with the address behind its title.

    Args:
        links: addresses by folded text, as `link_addresses` returns them.
    """
    found: dict[str, Related] = {}
    for lines in lists:
        for item in read_related(lines, local=local):
            key = fold(item.title)
            found.setdefault(key, replace(item, url=links.get(key)))
    return tuple(found.values())


def list_lines(element: html.HtmlElement, *, local: tzinfo) -> list[Line]:
    """Return the lines of a list of related articles, headed as one even if the page does not."""
    return [Line(text="", kind=LineKind.RELATED), *(p.line for p in pieces_of(element, local=local))]


def link_addresses(element: html.HtmlElement, *, base_url: str | None) -> dict[str, str]:
    """Return where the links lead, by their folded text."""
    found: dict[str, str] = {}
    for link in element.iter("a"):
        address = absolute_address(link.get("href") or "", base_url)
        if address and (text := fold(text_of(link))):
            found.setdefault(text, address)
    return found


def _with_ancestors(elements: Iterable[html.HtmlElement]) -> set[html.HtmlElement]:
    return {element for one in elements for element in (one, *one.iterancestors())}


def _is_named(element: html.HtmlElement, names: re.Pattern[str]) -> bool:
    tokens = f"{element.get('class') or ''} {element.get('id') or ''}"[:500].split()
    return any(names.search(token) for token in tokens)


def _is_hidden(element: html.HtmlElement) -> bool:
    style = (element.get("style") or "").replace(" ", "").lower()
    return element.get("hidden") is not None or "display:none" in style


def _heading(element: html.HtmlElement, local: tzinfo) -> LineKind | None:
    text = short_text_of(element, longest=_LONGEST_HEADING)
    if not text or element.getparent() is None:
        return None
    kind = read_line(text, local=local).kind
    return kind if kind in {LineKind.RELATED, LineKind.ASIDE} else None


def _box(element: html.HtmlElement, kept: set[html.HtmlElement]) -> html.HtmlElement | None:
    """Return the largest element around the heading outside the article, None if that is the heading."""
    box = None
    current = element
    while (parent := current.getparent()) is not None and parent not in kept and parent.tag != "body":
        current = parent
        box = current
    return box
