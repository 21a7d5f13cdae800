"""The HTML page of an article, read into its fields."""

from dataclasses import replace
from datetime import tzinfo
from urllib.parse import urlsplit

from lxml import html

from publisher.ingest.cleaning.addresses import absolute_address
from publisher.ingest.html.body import find_body, find_lead, find_paragraphs, guess_body
from publisher.ingest.html.chrome import link_addresses, list_lines, prune, prune_headed, related_articles
from publisher.ingest.html.content import read_content
from publisher.ingest.html.heading import find_heading, title_of
from publisher.ingest.html.images import absolutise, images_of
from publisher.ingest.html.meta import Metadata
from publisher.ingest.html.outside import read_outside
from publisher.ingest.html.tree import main_text, parse_tree, remove, text_of
from publisher.ingest.reading import read_html_bytes
from publisher.ingest.submission import Submission
from publisher.ingest.text.body import without_end_mark
from publisher.ingest.text.lead import without_agency
from publisher.ingest.text.lines import Line
from publisher.text import forbidden_characters


def parse_html_page(page: str | bytes, *, url: str | None, local: tzinfo) -> Submission:
    """Return the article of this page; its `content_html` is not sanitised yet.

    The lead (sapo, else the page's description) is the summary; a paragraph that repeats it is left out
    of the body. The page's canonical address is its url, unless it names another host than `url`.

    Args:
        url: where the page was found, None if nobody knows; relative addresses are relative to it.
        local: the zone of dates that state no offset.

    Raises:
        InvalidInput: no encoding fits, or there is no title or no text.
    """
    text = read_html_bytes(page) if isinstance(page, bytes) else page
    found = _read(parse_tree(text), url=url, local=local)
    removed = forbidden_characters(text.replace("\f", " ").replace("\v", " "))
    warning = f"content_html: removed control character ({removed})"
    return replace(found, warnings=(warning,)) if removed else found


def _read(tree: html.HtmlElement, *, url: str | None, local: tzinfo) -> Submission:
    meta = Metadata(tree)
    address = _address(url, meta.canonical(base_url=url))
    links = link_addresses(tree, base_url=address)
    heading, marked = find_heading(tree, meta), find_body(tree)
    title = title_of(tree, heading, meta)
    lists = _take_out_chrome(tree, heading, marked, local=local)
    lead = _take_lead(tree, heading, marked)
    own = marked if marked is not None else find_paragraphs(tree)
    outside = read_outside(tree, meta, heading=heading, body=own, local=local)
    body = own if own is not None else guess_body(tree)
    absolutise(body, base_url=address)
    description = meta.first("description", "og:description")
    content = read_content(body, title=title, description=None if lead else description, local=local)
    summary = lead or content.lead or description
    return Submission(
        url=address,
        title=title,
        summary=without_end_mark(without_agency(summary)) if summary else None,
        content_html=content.markup,
        language=meta.language(),
        published=meta.published(local=local) or outside.published,
        source=content.ending.source or outside.source,
        authors=content.ending.authors or outside.authors,
        tags=content.tags or outside.tags,
        images=images_of(body, cover=absolute_address(meta.first("og:image") or "", address)),
        related=related_articles([*lists, content.rest, outside.lines], links=links, local=local),
    )


def _address(url: str | None, canonical: str | None) -> str | None:
    """Return the article's address: a page may name its own better, but not one on another host."""
    if url is None or canonical is None:
        return url or canonical
    return canonical if urlsplit(canonical).hostname == urlsplit(url).hostname else url


def _take_out_chrome(
    tree: html.HtmlElement,
    heading: html.HtmlElement | None,
    body: html.HtmlElement | None,
    *,
    local: tzinfo,
) -> list[list[Line]]:
    """Take out what surrounds the article; return the lines of its lists of related articles.

    Without a known body, what holds most of the text stays, whatever it is called.
    """
    keep = [element for element in (heading, body) if element is not None]
    lists = prune(tree, keep=keep if body is not None else [*keep, *main_text(tree)])
    lists += prune_headed(tree, keep=keep, local=local)
    return [list_lines(element, local=local) for element in lists]


def _take_lead(
    tree: html.HtmlElement, heading: html.HtmlElement | None, body: html.HtmlElement | None
) -> str | None:
    """Take out the marked lead and return its text; what holds the title or the body is none."""
    element = find_lead(tree)
    if element is None or any(one is heading or one is body for one in element.iter()):
        return None
    lead = text_of(element)
    remove(element)
    return lead
