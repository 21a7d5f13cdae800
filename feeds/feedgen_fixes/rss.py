"""RSS 2.0: an article as an item, and the feed around items."""

import html
import re
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import partial

from feedgen.entry import FeedEntry
from feedgen.feed import FeedGenerator
from lxml import etree

from feeds.feed import Feed, FeedFormat
from feeds.feedgen_fixes.alike import add_neighbours, entry_of, feed_namespaces, generator_of
from feeds.feedgen_fixes.elements import ATOM, DC, RSS_NAMESPACES, append, fragment
from feeds.feedgen_fixes.media import add_media
from feeds.pictures import enclosures
from publisher.article import PublicArticle

_TAG = re.compile(r"<[A-Za-z/!?]")


def rss_fragment(article: PublicArticle, base_url: str) -> str:
    """Return the article as an `<item>` that stands inside the document of `rss_feed`."""
    return fragment(rss_item(article, base_url).rss_entry(), RSS_NAMESPACES)


def rss_item(article: PublicArticle, base_url: str) -> FeedEntry:
    """Return the article as feedgen's entry, good for `rss_entry()` only."""
    entry = entry_of(article, base_url)
    # Trap: feedgen writes dates under setlocale(), which is the whole process's and not safe among threads.
    # So its own `published` stays unset, and the extension writes the date.
    if article.summary:
        entry.description(_as_html(article.summary))  # else feedgen puts the content there
    entry.register_extension("fixes", partial(_RssItemFixes, article), atom=False)
    return entry


def rss_feed(feed: Feed) -> FeedGenerator:
    """Return the feed without entries, good for `rss_str()` only."""
    generator = generator_of(feed, FeedFormat.RSS)
    generator.updated(_UNWRITTEN)
    generator.register_extension("fixes", partial(_RssFeedFixes, feed), atom=False)
    return generator


def _as_html(text: str) -> str:
    """Return plain text for the description of RSS, which readers take for HTML.

    Most text is the same in both; what would be read as a tag or a character reference is escaped.
    """
    return html.escape(text, quote=False) if _TAG.search(text) or html.unescape(text) != text else text


class _Unwritten(datetime):
    """A date that counts as absent.

    Trap: lastBuildDate is now() unless it is set, cannot be set to nothing, and is written under setlocale().
    """

    def __bool__(self) -> bool:
        return False


_UNWRITTEN = _Unwritten(1970, 1, 1, tzinfo=UTC)


class _RssItemFixes:
    def __init__(self, article: PublicArticle) -> None:
        self.article = article

    def extend_rss(self, item: etree._Element) -> etree._Element:
        # Trap: <author> demands an e-mail address, so feedgen drops everybody without one; and who stands in
        # both elements is two people to feedparser. So all stand in dc:creator, and there is no <author>.
        for person in self.article.authors:
            append(item, f"{{{DC}}}creator", person.name)
        if self.article.language:
            append(item, f"{{{DC}}}language", self.article.language)
        append(item, "pubDate", format_datetime(self.article.published))
        # RSS has no word for a correction; readers know Atom's.
        append(item, f"{{{ATOM}}}updated", self.article.updated.isoformat())
        # Trap: of several enclosures feedgen keeps the last; readers of RSS expect one, which is the first.
        for image in enclosures(self.article)[:1]:
            attributes = {"url": image.url, "length": str(image.length), "type": image.type}
            etree.SubElement(item, "enclosure", attributes)
        add_media(item, self.article)
        self._add_source(item)
        return item

    def _add_source(self, item: etree._Element) -> None:
        source = self.article.source
        if source is None:
            return
        if source.url is None:
            append(item, f"{{{DC}}}source", source.name)  # <source> demands an address
        else:
            etree.SubElement(item, "source", {"url": source.url}).text = source.name


class _RssFeedFixes:
    def __init__(self, feed: Feed) -> None:
        self.feed = feed

    def extend_ns(self) -> dict[str, str]:
        return RSS_NAMESPACES | feed_namespaces(self.feed)

    def extend_rss(self, rss: etree._Element) -> etree._Element:
        add_neighbours(rss[0], f"{{{ATOM}}}link", self.feed, FeedFormat.RSS)
        append(rss[0], "lastBuildDate", format_datetime(self.feed.updated))
        return rss
