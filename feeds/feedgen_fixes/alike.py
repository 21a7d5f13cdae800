"""What Atom and RSS say alike, of an entry and of a feed."""

from feedgen.entry import FeedEntry
from feedgen.feed import FeedGenerator
from lxml import etree

from feeds.feed import Feed, FeedFormat
from publisher.article import PublicArticle, slug_of
from publisher.labels import LabelKind

_HISTORY = "http://purl.org/syndication/history/1.0"


def entry_of(article: PublicArticle, base_url: str) -> FeedEntry:
    """Return feedgen's entry with what both formats take as it is."""
    entry = FeedEntry()
    entry.id(article.uri)  # also the guid of RSS, with isPermaLink="false"
    entry.title(article.title)
    entry.link(href=article.link, rel="alternate", type="text/html")
    entry.category(_categories(article, base_url))
    if article.content_html:
        # Trap: type="CDATA" is no type of Atom, and a body may contain “]]>”; type="xhtml" fails on &nbsp;.
        entry.content(article.content_html, type="html")
    return entry


def generator_of(feed: Feed, feed_format: FeedFormat) -> FeedGenerator:
    """Return feedgen's feed, without entries, with what both formats take as it is."""
    generator = FeedGenerator()
    generator.id(feed.uri)
    generator.title(feed.title)
    generator.description(feed.description or feed.title)  # RSS demands one
    generator.author(name=feed.author)
    generator.language(feed.language)
    generator.generator("Publisher")
    generator.link(href=feed.links(feed_format)["self"], rel="self", type=feed_format.media_type)
    # Trap: RSS links to the last link, whatever its relation; so the page for people comes last.
    generator.link(href=feed.home_url, rel="alternate", type="text/html")
    return generator


def feed_namespaces(feed: Feed) -> dict[str, str]:
    """Return the namespaces that the feed itself needs."""
    return {"fh": _HISTORY} if feed.archive_of else {}


def add_neighbours(parent: etree._Element, tag: str, feed: Feed, feed_format: FeedFormat) -> None:
    """Add where news are pushed (WebSub), where older entries are, and that this is a page of an archive.

    Source: WebSub, section 4; RFC 5005.
    """
    # Trap: of all links, feedgen gives RSS only the one to itself; so no other link goes through it.
    if feed.hub:
        etree.SubElement(parent, tag, {"rel": "hub", "href": feed.hub})
    for relation, href in feed.links(feed_format).items():
        if relation != "self":
            etree.SubElement(parent, tag, {"rel": relation, "href": href, "type": feed_format.media_type})
    if feed.archive_of:
        etree.SubElement(parent, f"{{{_HISTORY}}}archive")


def _categories(article: PublicArticle, base_url: str) -> list[dict[str, str]]:
    """Return categories, tags and places; their schemes are where their feeds are. A name may be in each."""
    names = [
        *((LabelKind.CATEGORY, one.term, one.label) for one in article.categories),
        *((LabelKind.TAG, slug_of(tag), tag) for tag in article.tags),
        *((LabelKind.PLACE, slug_of(place), place) for place in article.places),
    ]
    # Of two spellings of one name the first is what people read.
    labels = {(kind, term): label for kind, term, label in reversed(names)}
    return [
        {"term": term, "scheme": f"{base_url}/feeds/{kind}/", "label": labels[kind, term]}
        for kind, term in dict.fromkeys((kind, term) for kind, term, _ in names)
    ]
