"""Atom and RSS through feedgen, whose traps are worked around in extensions, one comment a trap.

feedgen asks its extensions last, with the finished element tree in hand: there they put right what it wrote.
An entry of one format is a FeedEntry of its own, because most of its setters write into both formats at once.
"""

import html
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import partial

from feedgen.entry import FeedEntry
from feedgen.feed import FeedGenerator
from lxml import etree

from feeds.feed import Feed, FeedFormat, Tombstone
from publisher.article import PublicArticle

_ATOM = "http://www.w3.org/2005/Atom"
_CONTENT = "http://purl.org/rss/1.0/modules/content/"
_DC = "http://purl.org/dc/elements/1.1/"
_TOMBSTONES = "http://purl.org/atompub/tombstones/1.0"
_HISTORY = "http://purl.org/syndication/history/1.0"
_XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"

# Readers look for these very prefixes, and without a map lxml would call them ns0, ns1, …
_RSS_NAMESPACES = {"dc": _DC, "atom": _ATOM, "content": _CONTENT}

_TAG = re.compile(r"<[A-Za-z/!?]")


def atom_fragment(article: PublicArticle, category_scheme: str) -> str:
    """Return the article as an `<entry>` that stands inside the document of `atom_feed`."""
    return _fragment(atom_entry(article, category_scheme).atom_entry(), {})


def rss_fragment(article: PublicArticle, category_scheme: str) -> str:
    """Return the article as an `<item>` that stands inside the document of `rss_feed`."""
    return _fragment(rss_item(article, category_scheme).rss_entry(), _RSS_NAMESPACES)


def atom_entry(article: PublicArticle, category_scheme: str) -> FeedEntry:
    """Return the article as feedgen's entry, good for `atom_entry()` only."""
    entry = _entry(article, category_scheme)
    entry.published(article.published)
    entry.updated(article.updated)
    entry.author([{"name": p.name, "email": p.email, "uri": p.url} for p in article.authors])
    entry.register_extension("fixes", partial(_AtomEntryFixes, article), rss=False)
    return entry


def rss_item(article: PublicArticle, category_scheme: str) -> FeedEntry:
    """Return the article as feedgen's entry, good for `rss_entry()` only."""
    entry = _entry(article, category_scheme)
    # Trap: feedgen writes dates under setlocale(), which is the whole process's and not safe among threads.
    # So its own `published` stays unset, and the extension writes the date.
    if article.summary:
        entry.description(_as_html(article.summary))  # else feedgen puts the content there
    entry.register_extension("fixes", partial(_RssItemFixes, article), atom=False)
    return entry


def atom_feed(feed: Feed, tombstones: Sequence[Tombstone] = ()) -> FeedGenerator:
    """Return the feed without entries, good for `atom_str()` only."""
    generator = _generator(feed, FeedFormat.ATOM)
    # Trap: left alone, `updated` is the instant of rendering, and no two documents would be the same.
    generator.updated(feed.updated)
    generator.register_extension("fixes", partial(_AtomFeedFixes, feed, tombstones), rss=False)
    return generator


def rss_feed(feed: Feed) -> FeedGenerator:
    """Return the feed without entries, good for `rss_str()` only."""
    generator = _generator(feed, FeedFormat.RSS)
    generator.updated(_UNWRITTEN)
    generator.register_extension("fixes", partial(_RssFeedFixes, feed), atom=False)
    return generator


def _entry(article: PublicArticle, category_scheme: str) -> FeedEntry:
    entry = FeedEntry()
    entry.id(article.uri)  # also the guid of RSS, with isPermaLink="false"
    entry.title(article.title)
    entry.link(href=article.link, rel="alternate", type="text/html")
    entry.category(
        [{"term": c.term, "scheme": category_scheme, "label": c.label} for c in article.categories]
    )
    if article.summary:
        entry.summary(article.summary, type="text")
    if article.content_html:
        # Trap: type="CDATA" is no type of Atom, and a body may contain “]]>”; type="xhtml" fails on &nbsp;.
        entry.content(article.content_html, type="html")
    return entry


def _generator(feed: Feed, feed_format: FeedFormat) -> FeedGenerator:
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


def _fragment(element: etree._Element, namespaces: Mapping[str, str]) -> str:
    # Alone, every prefixed element would repeat its namespace. Serialised inside a parent that declares them
    # and cut out again, the text is what it is in the whole document; no search in hostile text is needed.
    parent = etree.Element("parent", nsmap=dict(namespaces))
    parent.append(element)
    document = etree.tostring(parent, encoding="unicode")
    return document[document.index(">") + 1 : document.rindex("<")]


def _as_html(text: str) -> str:
    """Return plain text for the description of RSS, which readers take for HTML.

    Most text is the same in both; what would be read as a tag or a character reference is escaped.
    """
    return html.escape(text, quote=False) if _TAG.search(text) or html.unescape(text) != text else text


def _append(parent: etree._Element, tag: str, text: str) -> None:
    etree.SubElement(parent, tag).text = text


class _Unwritten(datetime):
    """A date that counts as absent.

    Trap: lastBuildDate is now() unless it is set, cannot be set to nothing, and is written under setlocale().
    """

    def __bool__(self) -> bool:
        return False


_UNWRITTEN = _Unwritten(1970, 1, 1, tzinfo=UTC)


class _AtomEntryFixes:
    def __init__(self, article: PublicArticle) -> None:
        self.article = article

    def extend_atom(self, entry: etree._Element) -> etree._Element:
        if self.article.language:
            entry.set(_XML_LANG, self.article.language)
        # Trap: feedgen loses every attribute of a link but href (lkiesow/python-feedgen #143).
        for link in entry.iterchildren("link"):
            link.set("rel", "alternate")
            link.set("type", "text/html")
        summary, content = entry.find("summary"), entry.find("content")
        if summary is not None and content is not None:
            content.addprevious(summary)
        return entry


class _RssItemFixes:
    def __init__(self, article: PublicArticle) -> None:
        self.article = article

    def extend_rss(self, item: etree._Element) -> etree._Element:
        # Trap: <author> demands an e-mail address, so feedgen drops everybody without one; and who stands in
        # both elements is two people to feedparser. So all stand in dc:creator, and there is no <author>.
        for person in self.article.authors:
            _append(item, f"{{{_DC}}}creator", person.name)
        if self.article.language:
            _append(item, f"{{{_DC}}}language", self.article.language)
        _append(item, "pubDate", format_datetime(self.article.published))
        # RSS has no word for a correction; readers know Atom's.
        _append(item, f"{{{_ATOM}}}updated", self.article.updated.isoformat())
        return item


class _AtomFeedFixes:
    def __init__(self, feed: Feed, tombstones: Sequence[Tombstone]) -> None:
        self.feed = feed
        self.tombstones = tombstones

    def extend_ns(self) -> dict[str, str]:
        return _history(self.feed) | ({"at": _TOMBSTONES} if self.tombstones else {})

    def extend_atom(self, feed: etree._Element) -> etree._Element:
        _add_neighbours(feed, "link", self.feed, FeedFormat.ATOM)
        for tombstone in self.tombstones:
            attributes = {"ref": tombstone.uri, "when": tombstone.when.astimezone(UTC).isoformat()}
            etree.SubElement(feed, f"{{{_TOMBSTONES}}}deleted-entry", attributes)
        return feed


class _RssFeedFixes:
    def __init__(self, feed: Feed) -> None:
        self.feed = feed

    def extend_ns(self) -> dict[str, str]:
        return _RSS_NAMESPACES | _history(self.feed)

    def extend_rss(self, rss: etree._Element) -> etree._Element:
        # Trap: of all links, RSS gets only the one to itself.
        _add_neighbours(rss[0], f"{{{_ATOM}}}link", self.feed, FeedFormat.RSS)
        _append(rss[0], "lastBuildDate", format_datetime(self.feed.updated))
        return rss


def _history(feed: Feed) -> dict[str, str]:
    return {"fh": _HISTORY} if feed.archive_of else {}


def _add_neighbours(parent: etree._Element, tag: str, feed: Feed, feed_format: FeedFormat) -> None:
    """Add what RFC 5005 asks for: where older entries are, and that this is a page of an archive."""
    for relation, href in feed.links(feed_format).items():
        if relation != "self":
            etree.SubElement(parent, tag, {"rel": relation, "href": href, "type": feed_format.media_type})
    if feed.archive_of:
        etree.SubElement(parent, f"{{{_HISTORY}}}archive")
