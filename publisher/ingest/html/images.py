"""The pictures of an article on its HTML page, and addresses that work elsewhere."""

from collections.abc import Iterator

from lxml import html

from publisher.article import Image
from publisher.ingest.cleaning.addresses import absolute_address
from publisher.ingest.html.tree import short_text_of

_LAZY = ("data-src", "data-original", "data-lazy-src")
_MOST_IMAGES = 50
_LONGEST_CAPTION = 500


def absolutise(body: html.HtmlElement, *, base_url: str | None) -> None:
    """Give every picture the address that lazy loading hides, and every link an absolute one.

    A picture without an address that works is taken out.
    """
    for image in list(body.iter("img")):
        stated = [image.get(name) or "" for name in (*_LAZY, "src")]
        address = next((a for text in stated if (a := absolute_address(text, base_url))), None)
        if address:
            image.set("src", address)
        else:
            image.drop_tree()
    for link in body.iter("a"):
        if address := absolute_address(link.get("href") or "", base_url):
            link.set("href", address)


def images_of(body: html.HtmlElement, *, cover: str | None) -> tuple[Image, ...]:
    """Return the pictures of an absolutised body, each once, behind the one that the page shows of itself."""
    found = {image.url: image for image in _pictures(body)}
    if cover and cover not in found:
        found = {cover: Image(url=cover), **found}
    return tuple(found.values())[:_MOST_IMAGES]


def _pictures(body: html.HtmlElement) -> Iterator[Image]:
    for image in body.iter("img"):
        if url := absolute_address(image.get("src") or "", None):
            alt = " ".join((image.get("alt") or "").split())[:_LONGEST_CAPTION]
            yield Image(url=url, alt=alt or None, caption=_caption(image))


def _caption(image: html.HtmlElement) -> str | None:
    figure = next(image.iterancestors("figure"), None)
    caption = figure.find(".//figcaption") if figure is not None else None
    return (short_text_of(caption, longest=_LONGEST_CAPTION) or None) if caption is not None else None
