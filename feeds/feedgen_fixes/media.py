"""The pictures of an article in Media RSS, which Atom and RSS carry alike."""

from urllib.parse import urlsplit

from lxml import etree

from feeds.feedgen_fixes.elements import MEDIA, append
from publisher.article import Image, PublicArticle

# Endings that mean one type only.
_TYPES = {
    "avif": "image/avif",
    "gif": "image/gif",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "png": "image/png",
    "svg": "image/svg+xml",
    "webp": "image/webp",
}


def add_media(entry: etree._Element, article: PublicArticle) -> None:
    """Append every picture, and the first once more as the one that stands for the article."""
    # Trap: feedgen's own extension puts all pictures into one group, as if they were one picture in several
    # sizes; a picture stands directly in the entry.
    for image in article.images:
        _add_content(entry, image, described=bool(article.summary and article.content_html))
    if article.images:
        etree.SubElement(entry, f"{{{MEDIA}}}thumbnail", {"url": article.images[0].url})


def _add_content(entry: etree._Element, image: Image, *, described: bool) -> None:
    attributes = {"url": image.url, "medium": "image"}
    media_type = image.media_type or _type_by_ending(image.url)
    if media_type is not None:
        attributes["type"] = media_type
    if image.length is not None:
        attributes["fileSize"] = str(image.length)
    content = etree.SubElement(entry, f"{{{MEDIA}}}content", attributes)
    if image.alt:
        append(content, f"{{{MEDIA}}}title", image.alt)
    # feedparser takes a picture's description for the summary or the body of an entry that lacks one.
    if image.caption and described:
        append(content, f"{{{MEDIA}}}description", image.caption)


def _type_by_ending(url: str) -> str | None:
    return _TYPES.get(urlsplit(url).path.rpartition(".")[2].lower())
