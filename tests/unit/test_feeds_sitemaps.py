"""Sitemaps: what the protocol and Google's namespace for news demand, whatever articles are called."""

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from feeds.sitemaps import (
    MOST_SITEMAPS,
    SITEMAP_LENGTH,
    ListedArticle,
    News,
    article_sitemap,
    news_language,
    news_sitemap,
    sitemap_index,
)
from publisher.text import clean_line

AT = datetime(2021, 11, 23, 8, 52, 1, 999, tzinfo=timezone(timedelta(hours=7)))
ID = UUID("01a20d33-939f-70c8-b6c9-6a1a90d1c0de")
SITE = "https://news.example"
PROTOCOL_BYTES, PROTOCOL_LENGTH = 50_000_000, 50_000
NAMES = {
    "s": "http://www.sitemaps.org/schemas/sitemap/0.9",
    "n": "http://www.google.com/schemas/sitemap-news/0.9",
}


def news(**fields: object) -> etree._Element:
    values = {"id": ID, "title": "Bài", "language": "vi", "published": AT, **fields}
    document = news_sitemap(SITE, [News(**values)], name="Tin tức", language="en-GB")  # type: ignore[arg-type]
    return etree.fromstring(document)


def texts(root: etree._Element, path: str) -> list[str | None]:
    return [one.text for one in root.iterfind(path, NAMES)]


def test_the_index_names_the_news_and_every_block() -> None:
    document = sitemap_index(SITE, [1, 3])

    assert document.startswith(b"<?xml version='1.0' encoding='utf-8'?>")
    assert texts(etree.fromstring(document), "s:sitemap/s:loc") == [
        f"{SITE}/sitemaps/news.xml",
        f"{SITE}/sitemaps/articles-1.xml",
        f"{SITE}/sitemaps/articles-3.xml",
    ]


def test_the_fullest_sitemap_and_index_are_within_the_protocols_limits() -> None:
    site = f"https://{'a' * 240}.example"
    block = article_sitemap(site, [ListedArticle(id=ID, updated=AT)] * SITEMAP_LENGTH)
    index = sitemap_index(site, range(10**6, 10**6 + MOST_SITEMAPS))

    assert SITEMAP_LENGTH <= PROTOCOL_LENGTH
    assert max(len(block), len(index)) < PROTOCOL_BYTES
    assert len(etree.fromstring(index)) == PROTOCOL_LENGTH


def test_an_article_is_listed_with_our_page_and_the_instant_of_its_last_change() -> None:
    root = etree.fromstring(article_sitemap(SITE, [ListedArticle(id=ID, updated=AT)]))

    assert texts(root, "s:url/s:loc") == [f"{SITE}/articles/{ID}"]
    assert texts(root, "s:url/s:lastmod") == ["2021-11-23T01:52:01+00:00"]


def test_r25_news_have_a_name_a_language_a_date_and_a_title() -> None:
    root = news()

    assert texts(root, "s:url/s:loc") == [f"{SITE}/articles/{ID}"]
    (one,) = root.iterfind("s:url/n:news", NAMES)
    assert texts(one, "n:publication/n:name") == ["Tin tức"]
    assert texts(one, "n:publication/n:language") == ["vi"]
    assert texts(one, "n:publication_date") == ["2021-11-23T01:52:01+00:00"]
    assert texts(one, "n:title") == ["Bài"]


def test_search_engines_look_for_the_prefix_news() -> None:
    assert b"<news:news><news:publication>" in etree.tostring(news())


@pytest.mark.parametrize(
    ("language", "code"),
    [
        ("vi", "vi"),
        ("vi-VN", "vi"),
        ("EN", "en"),
        ("zh-Hans-CN", "zh-cn"),
        ("zh", "zh-cn"),
        ("zh-Hant", "zh-tw"),
        ("zh-HK", "zh-tw"),
        ("bru", "bru"),
        ("und", "en"),
        ("und-VN", "en"),
        ("abcdefgh", "en"),
        ("", "en"),
    ],
)
def test_the_language_of_news_is_a_code_of_iso_639(language: str, code: str) -> None:
    assert news_language(language, otherwise="en-GB") == code


def test_no_news_and_no_articles_are_sitemaps_all_the_same() -> None:
    documents = [news_sitemap(SITE, [], name="Tin", language="vi"), article_sitemap(SITE, [])]

    assert [len(etree.fromstring(document)) for document in documents] == [0, 0]


@given(title=st.text(st.characters(exclude_categories=["Cs"])))
def test_any_title_is_text_and_nothing_else(title: str) -> None:
    hostile = f"</news:title><url>&amp;]]>{title}"

    root = news(title=hostile)

    assert texts(root, ".//n:title") == [clean_line(hostile)]
    assert len(root) == 1


@given(updated=st.datetimes(timezones=st.just(UTC)))
def test_any_instant_is_read_back_to_the_second(updated: datetime) -> None:
    root = etree.fromstring(article_sitemap(SITE, [ListedArticle(id=ID, updated=updated)]))

    (shown,) = texts(root, "s:url/s:lastmod")
    assert datetime.fromisoformat(shown or "") == updated.replace(microsecond=0)
