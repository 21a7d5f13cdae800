"""The body of an article on its HTML page: found by the portal's own names for it, else by its text."""

import re

import trafilatura
from lxml import html

from publisher.errors import InvalidInput
from publisher.ingest.html.tree import text_of, weights_of

# What portals call the element around the text of an article.
_BODY_NAMES = frozenset(
    (
        *("article__body", "article-body", "article_body", "article-content", "article__content", "cms-body"),
        *("detail-content", "detail__content", "detail-body", "content-detail", "content_detail", "noidung"),
        *("contentdetail", "news-content", "news_content", "content-news", "noi-dung", "noidungtin"),
        *("post-content", "post__content", "entry-content", "td-post-content", "singular-content"),
        *("fck_detail", "the-article-body", "articlecontent", "journal-content-article", "story-body"),
        *("bodytext", "chi-tiet", "chitiet", "maincontent-body", "newsbody"),
    )
)
_LEAD_NAMES = re.compile(
    r"(?:.*[-_])?sapo|cms-desc|lead|chapeau|standfirst|tom-?tat|trich-?dan|fwb", re.IGNORECASE
)
_LEAD_LENGTHS = range(30, 1200)
_SHORTEST_BODY = 140
_SHORTEST_PARAGRAPH = 60
_FEWEST_PARAGRAPHS = 2
_LONG_PARAGRAPH = 600
# Beyond these trafilatura takes more than a second.
_MOST_ELEMENTS = 8_000
_MOST_CHARACTERS = 500_000


def find_lead(tree: html.HtmlElement) -> html.HtmlElement | None:
    """Return the element that the portal marks as the lead (sapo)."""
    for element in tree.iter("p", "div", "h2", "h3", "strong", "section"):
        if _is_lead(element) and len(text_of(element)) in _LEAD_LENGTHS:
            return element
    return None


def find_body(tree: html.HtmlElement) -> html.HtmlElement | None:
    """Return the element that the portal marks as the article's text, the longest if there are several."""
    weights = weights_of(tree)
    named = [e for e in tree.iter("article", "div", "section", "main", "td") if _is_body(e)]
    best = max(named, key=lambda element: weights[element], default=None)
    return best if best is not None and weights[best] >= _SHORTEST_BODY else None


def find_paragraphs(tree: html.HtmlElement) -> html.HtmlElement | None:
    """Return the element of a pruned page whose own paragraphs hold the most text, if that is an article."""
    weights = weights_of(tree)
    own: dict[html.HtmlElement, list[int]] = {}
    for paragraph in tree.iter("p"):
        parent = paragraph.getparent()
        if parent is not None and weights[paragraph] > _SHORTEST_PARAGRAPH:
            own.setdefault(parent, []).append(weights[paragraph])
    best = max(own, key=lambda element: sum(own[element]), default=None)
    if best is None or (len(own[best]) < _FEWEST_PARAGRAPHS and sum(own[best]) < _LONG_PARAGRAPH):
        return None
    return best


def guess_body(tree: html.HtmlElement) -> html.HtmlElement:
    """Return a copy of what trafilatura takes for the article.

    Raises:
        InvalidInput: it finds none, or the page is too large to let it look.
    """
    body = None
    if sum(1 for _ in tree.iter()) <= _MOST_ELEMENTS and sum(map(len, tree.itertext())) <= _MOST_CHARACTERS:
        body = _guess(tree)
    if body is None:
        raise InvalidInput.of("/content_html", "expected an article below the title, found none")
    return body


def _guess(tree: html.HtmlElement) -> html.HtmlElement | None:
    text = trafilatura.extract(
        tree,
        fast=True,
        output_format="html",
        include_comments=False,
        include_formatting=True,
        include_images=True,
        include_links=True,
    )
    if not text:
        return None
    parser = html.HTMLParser(encoding="utf-8")
    return html.document_fromstring(text.encode("utf-8"), parser=parser).find("body")


def _is_lead(element: html.HtmlElement) -> bool:
    return any(_LEAD_NAMES.fullmatch(token) for token in (element.get("class") or "")[:500].split())


def _is_body(element: html.HtmlElement) -> bool:
    if (element.get("itemprop") or "").lower() == "articlebody":
        return True
    tokens = f"{element.get('class') or ''} {element.get('id') or ''}"[:500].lower().split()
    return not _is_lead(element) and not _BODY_NAMES.isdisjoint(tokens)
