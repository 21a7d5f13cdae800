"""OPML 2.0: all feeds in one file, for whoever subscribes to many of them at once.

Source: OPML 2.0, “Subscription lists”: `type` is `rss` whatever the format, and `xmlUrl` is the feed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime

from lxml import etree

from publisher.text import clean_line

MEDIA_TYPE = "text/x-opml"
_SPECIFICATION = "http://opml.org/spec2.opml"


@dataclass(frozen=True, kw_only=True)
class Subscription:
    """A feed as subscription lists name it.

    Attributes:
        url: of the feed itself.
        home_url: of a page for people.
    """

    name: str
    url: str
    home_url: str


@dataclass(frozen=True, kw_only=True)
class Folder:
    """Feeds that belong together, in the order in which people look for them."""

    name: str
    subscriptions: Sequence[Subscription]


def opml(title: str, created: datetime, *, first: Iterable[Subscription], folders: Iterable[Folder]) -> bytes:
    """Return the document, UTF-8; the same arguments give the same bytes.

    Args:
        created: when the list became what it is, and never the instant of rendering.
        first: what stands before all folders.
    """
    root = etree.Element("opml", {"version": "2.0"})
    head = etree.SubElement(root, "head")
    etree.SubElement(head, "title").text = clean_line(title)
    etree.SubElement(head, "dateCreated").text = format_datetime(created.astimezone(UTC), usegmt=True)
    etree.SubElement(head, "docs").text = _SPECIFICATION
    body = etree.SubElement(root, "body")
    _add(body, first)
    for folder in folders:
        name = clean_line(folder.name)
        _add(etree.SubElement(body, "outline", {"text": name, "title": name}), folder.subscriptions)
    return etree.tostring(root, encoding="utf-8", xml_declaration=True)


def _add(parent: etree._Element, subscriptions: Iterable[Subscription]) -> None:
    for one in subscriptions:
        name = clean_line(one.name)
        etree.SubElement(
            parent,
            "outline",
            {"type": "rss", "text": name, "title": name, "xmlUrl": one.url, "htmlUrl": one.home_url},
        )
