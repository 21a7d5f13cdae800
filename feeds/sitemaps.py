"""Sitemaps for search engines: an index, articles block by block, and the news of two days.

Sources: the protocol 0.90 of sitemaps.org; Google's namespace for news, 0.9.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from lxml import etree

from publisher.text import clean_line

SITEMAP_LENGTH = 10_000
"""Places in the feed of everything that one sitemap covers; sitemaps are told apart by them, for ever.

The protocol allows 50,000; this many take a fifth of the time and of the memory, and anybody may ask.
"""

MOST_SITEMAPS = 49_999
"""Of articles, in an index: the protocol allows one more, which is that of news."""

NEWS_LENGTH = 1_000
NEWS_AGE = timedelta(days=2)

MEDIA_TYPE = "application/xml"
_SITEMAP = "http://www.sitemaps.org/schemas/sitemap/0.9"
_NEWS = "http://www.google.com/schemas/sitemap-news/0.9"
_ISO_639 = re.compile("[a-z]{2,3}")


@dataclass(frozen=True, kw_only=True)
class ListedArticle:
    """An article as sitemaps list it."""

    id: UUID
    updated: datetime


@dataclass(frozen=True, kw_only=True)
class News:
    """An article of the last two days.

    Attributes:
        language: BCP 47; `und` if nobody knows.
    """

    id: UUID
    title: str
    language: str
    published: datetime


def sitemap_index(base_url: str, numbers: Iterable[int]) -> bytes:
    """Return the index: the sitemap of news, and those of articles by their numbers.

    It says of none when it changed: nobody keeps that, and who asks again for one is told by its tag.
    """
    index = etree.Element(_tag("sitemapindex"), nsmap=_nsmap())
    for path in ("/sitemaps/news.xml", *(f"/sitemaps/articles-{number}.xml" for number in numbers)):
        _append(_append(index, _tag("sitemap")), _tag("loc"), base_url + path)
    return _bytes(index)


def article_sitemap(base_url: str, articles: Iterable[ListedArticle]) -> bytes:
    """Return one block of articles, in the order given; the same articles give the same bytes."""
    sitemap = etree.Element(_tag("urlset"), nsmap=_nsmap())
    for article in articles:
        url = _append(sitemap, _tag("url"))
        _append(url, _tag("loc"), f"{base_url}/articles/{article.id}")
        _append(url, _tag("lastmod"), _instant(article.updated))
    return _bytes(sitemap)


def news_sitemap(base_url: str, news: Iterable[News], *, name: str, language: str) -> bytes:
    """Return the sitemap of news.

    Args:
        name: of the publication, as Google News knows it.
        language: BCP 47, of articles whose own nobody knows.
    """
    sitemap = etree.Element(_tag("urlset"), nsmap=_nsmap(news=_NEWS))
    for article in news:
        url = _append(sitemap, _tag("url"))
        _append(url, _tag("loc"), f"{base_url}/articles/{article.id}")
        one = _append(url, _tag("news", _NEWS))
        publication = _append(one, _tag("publication", _NEWS))
        _append(publication, _tag("name", _NEWS), clean_line(name))
        code = news_language(article.language, otherwise=language)
        _append(publication, _tag("language", _NEWS), code)
        _append(one, _tag("publication_date", _NEWS), _instant(article.published))
        _append(one, _tag("title", _NEWS), clean_line(article.title))
    return _bytes(sitemap)


def news_language(language: str, *, otherwise: str) -> str:
    """Return the code of ISO 639 for a language tag; Chinese is `zh-cn` or `zh-tw` to Google News."""
    primary, *rest = language.lower().split("-")
    if primary == "und" or not _ISO_639.fullmatch(primary):
        primary, *rest = otherwise.lower().split("-")
    if primary != "zh":
        return primary
    return "zh-tw" if {"hant", "tw", "hk", "mo"} & set(rest) else "zh-cn"


def _nsmap(**others: str) -> dict[Any, str]:
    # The stubs do not know that None stands for the namespace without a prefix.
    return {None: _SITEMAP, **others}


def _append(parent: etree._Element, tag: str, text: str | None = None) -> etree._Element:
    element = etree.SubElement(parent, tag)
    element.text = text
    return element


def _tag(name: str, namespace: str = _SITEMAP) -> str:
    return f"{{{namespace}}}{name}"


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds")


def _bytes(root: etree._Element) -> bytes:
    return etree.tostring(root, encoding="utf-8", xml_declaration=True)
