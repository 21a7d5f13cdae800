"""Atom: an article as an entry, and the feed around entries."""

from collections.abc import Sequence
from datetime import UTC
from functools import partial

from feedgen.entry import FeedEntry
from feedgen.feed import FeedGenerator
from lxml import etree

from feeds.feed import Feed, FeedFormat, Tombstone
from feeds.feedgen_fixes.alike import add_neighbours, entry_of, feed_namespaces, generator_of
from feeds.feedgen_fixes.elements import ATOM_NAMESPACES, DC, append, fragment
from feeds.feedgen_fixes.media import add_media
from feeds.pictures import enclosures
from publisher.article import PublicArticle
from publisher.ingest.identity import canonical_url

_TOMBSTONES = "http://purl.org/atompub/tombstones/1.0"
_XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"


def atom_fragment(article: PublicArticle, base_url: str) -> str:
    """Return the article as an `<entry>` that stands inside the document of `atom_feed`."""
    return fragment(atom_entry(article, base_url).atom_entry(), ATOM_NAMESPACES)


def atom_entry(article: PublicArticle, base_url: str) -> FeedEntry:
    """Return the article as feedgen's entry, good for `atom_entry()` only."""
    entry = entry_of(article, base_url)
    entry.published(article.published)
    # Trap: left alone, `updated` is the instant of rendering, and no two fragments would be the same.
    entry.updated(article.updated)
    entry.author([{"name": p.name, "email": p.email, "uri": p.url} for p in article.authors])
    if article.summary:
        entry.summary(article.summary, type="text")
    entry.register_extension("fixes", partial(_AtomEntryFixes, article), rss=False)
    return entry


def atom_feed(feed: Feed, tombstones: Sequence[Tombstone] = ()) -> FeedGenerator:
    """Return the feed without entries, good for `atom_str()` only."""
    generator = generator_of(feed, FeedFormat.ATOM)
    # Trap: left alone, `updated` is the instant of rendering, and no two documents would be the same.
    generator.updated(feed.updated)
    generator.register_extension("fixes", partial(_AtomFeedFixes, feed, tombstones), rss=False)
    return generator


class _AtomEntryFixes:
    def __init__(self, article: PublicArticle) -> None:
        self.article = article

    def extend_atom(self, entry: etree._Element) -> etree._Element:
        if self.article.language:
            entry.set(_XML_LANG, self.article.language)
        # Trap: feedgen loses every attribute of a link but href (lkiesow/python-feedgen #143), so that each
        # is one more page of the article. It writes that one only, and all others are added here.
        for link in entry.iterchildren("link"):
            link.set("rel", "alternate")
            link.set("type", "text/html")
        summary, content = entry.find("summary"), entry.find("content")
        if summary is not None and content is not None:
            content.addprevious(summary)
        self._add_links(entry)
        add_media(entry, self.article)
        self._add_source(entry)
        return entry

    def _add_links(self, entry: etree._Element) -> None:
        for image in enclosures(self.article):
            link = {"rel": "enclosure", "href": image.url, "type": image.type, "length": str(image.length)}
            etree.SubElement(entry, "link", link | ({"title": image.title} if image.title else {}))
        source = self.article.source
        if source and source.url and source.url != self.article.link:
            etree.SubElement(entry, "link", {"rel": "via", "href": source.url, "title": source.name})
        for one in self.article.related:
            if one.url:
                etree.SubElement(entry, "link", {"rel": "related", "href": one.url, "title": one.title})

    def _add_source(self, entry: etree._Element) -> None:
        """Append where the article comes from, as far as it is known.

        RFC 4287, section 4.2.11, demands nothing of `source`; readers and the W3C's validator want an id, a
        title and a time. The address that an article credits is an id that nobody else has, and the last that
        is known of what is there is that it had this article. To a name alone no id is invented.
        """
        # Trap: feedgen's `source` has neither id nor time.
        source = self.article.source
        if source is None:
            return
        if source.url is None:
            append(entry, f"{{{DC}}}source", source.name)
            return
        element = etree.SubElement(entry, "source")
        append(element, "id", canonical_url(source.url))
        append(element, "title", source.name)
        append(element, "updated", self.article.published.isoformat())
        etree.SubElement(element, "link", {"rel": "alternate", "href": source.url})


class _AtomFeedFixes:
    def __init__(self, feed: Feed, tombstones: Sequence[Tombstone]) -> None:
        self.feed = feed
        self.tombstones = tombstones

    def extend_ns(self) -> dict[str, str]:
        tombstones = {"at": _TOMBSTONES} if self.tombstones else {}
        return ATOM_NAMESPACES | feed_namespaces(self.feed) | tombstones

    def extend_atom(self, feed: etree._Element) -> etree._Element:
        add_neighbours(feed, "link", self.feed, FeedFormat.ATOM)
        for tombstone in self.tombstones:
            attributes = {"ref": tombstone.uri, "when": tombstone.when.astimezone(UTC).isoformat()}
            etree.SubElement(feed, f"{{{_TOMBSTONES}}}deleted-entry", attributes)
        return feed
