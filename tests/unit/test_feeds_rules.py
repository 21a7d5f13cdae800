"""The rules for feeds that readers and validators taught us, a test a rule, by their numbers."""

import calendar
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from itertools import pairwise
from typing import Any

import fastfeedparser
import feedparser
import pytest
from lxml import etree

from feeds.documents import DOCUMENT_BYTES, assemble, fitting
from feeds.feed import FeedFormat, Tombstone
from publisher.article import Person, PublicArticle
from tests.fixtures.feeds.samples import ARTICLE, FEED, TOMBSTONE, VISIBLE_AT, article, rendered

XML_FORMATS = (FeedFormat.ATOM, FeedFormat.RSS)
NAMESPACES = {
    "a": "http://www.w3.org/2005/Atom",
    "at": "http://purl.org/atompub/tombstones/1.0",
    "content": "http://purl.org/rss/1.0/modules/content/",
    "dc": "http://purl.org/dc/elements/1.1/",
}
# Formatted by hand, so that no date formatter of ours checks itself.
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def document(
    feed_format: FeedFormat, *articles: PublicArticle, tombstones: Sequence[Tombstone] = ()
) -> bytes:
    fragments = [entry.fragment(feed_format) for entry in rendered(*articles)]
    return assemble(feed_format, FEED, [fragments[index] for index in fitting(fragments)], tombstones)


def tree(feed_format: FeedFormat, *articles: PublicArticle) -> etree._Element:
    return etree.fromstring(document(feed_format, *articles))


def items(*articles: PublicArticle) -> list[dict[str, Any]]:
    parsed: dict[str, Any] = json.loads(document(FeedFormat.JSON, *articles))
    found: list[dict[str, Any]] = parsed["items"]
    return found


def texts(root: etree._Element, path: str) -> list[str]:
    return [element.text or "" for element in root.iterfind(path, NAMESPACES)]


def attributes(root: etree._Element, path: str) -> list[dict[str, str]]:
    return [{str(k): str(v) for k, v in e.attrib.items()} for e in root.iterfind(path, NAMESPACES)]


@pytest.mark.parametrize("feed_format", XML_FORMATS)
def test_r1_xml_is_utf_8_from_byte_0_without_a_dtd(feed_format: FeedFormat) -> None:
    written = document(feed_format, ARTICLE)

    assert written.startswith(b"<?xml version='1.0' encoding='UTF-8'?>\n<")
    assert b"<!DOCTYPE" not in written
    assert "«Ư»" in written.decode("utf-8")


@pytest.mark.parametrize("feed_format", FeedFormat)
@pytest.mark.parametrize("character", ["\x00", "\x0b", "\x1b", "\ufffe", "\ud83d", "\U0001ffff"])
def test_r2_what_xml_forbids_is_gone_from_every_field(feed_format: FeedFormat, character: str) -> None:
    text = f"a{character}b"
    hostile = replace(
        ARTICLE, title=text, summary=text, content_html=text, tags=(text,), authors=(Person(name=text),)
    )

    written = document(feed_format, hostile).decode("utf-8")

    assert "ab" in written
    assert character not in written
    assert repr(character)[1:-1] not in written


@pytest.mark.parametrize("feed_format", XML_FORMATS)
def test_r3_markup_is_escaped_and_never_in_cdata(feed_format: FeedFormat) -> None:
    written = document(feed_format, replace(ARTICLE, content_html="<p>]]&gt; ]]> &amp;nbsp;</p>"))

    assert b"CDATA" not in written
    assert b"&lt;p&gt;]]&amp;gt; ]]&gt; &amp;amp;nbsp;&lt;/p&gt;" in written


def test_r4_the_id_is_the_uri_in_every_format() -> None:
    atom, rss = tree(FeedFormat.ATOM, ARTICLE), tree(FeedFormat.RSS, ARTICLE)

    assert [ARTICLE.uri] == texts(atom, "a:entry/a:id")
    assert [ARTICLE.uri] == texts(rss, "channel/item/guid")
    assert [ARTICLE.uri] == [item["id"] for item in items(ARTICLE)]


def test_r4_the_id_survives_a_new_slug_and_a_new_host() -> None:
    moved = replace(ARTICLE, slug="khac", link="https://bao.example/khac", title="Khác")

    assert items(ARTICLE)[0]["id"] == items(moved)[0]["id"]


def test_r5_the_guid_is_no_permalink() -> None:
    rss = tree(FeedFormat.RSS, ARTICLE)

    assert attributes(rss, "channel/item/guid") == [{"isPermaLink": "false"}]


def test_r6_dates_are_aware_with_english_names_and_the_right_weekday() -> None:
    week = [replace(article(n), published=VISIBLE_AT - timedelta(days=n)) for n in range(7)]

    atom, rss = tree(FeedFormat.ATOM, *week), tree(FeedFormat.RSS, *week)

    expected = [a.published for a in week]
    written = texts(rss, "channel/item/pubDate")
    assert expected == [datetime.fromisoformat(text) for text in texts(atom, "a:entry/a:published")]
    assert expected == [parsedate_to_datetime(text) for text in written]
    assert [DAYS[d.weekday()] for d in expected] == [text[:3] for text in written]
    assert expected == [datetime.fromisoformat(item["date_published"]) for item in items(*week)]


def test_r6_no_date_lies_in_the_future() -> None:
    dated_2077 = replace(
        ARTICLE, published=datetime(2077, 1, 1, tzinfo=UTC), updated=datetime(2077, 1, 1, tzinfo=UTC)
    )

    atom, rss = tree(FeedFormat.ATOM, dated_2077), tree(FeedFormat.RSS, dated_2077)

    assert texts(atom, "a:entry/a:published") == ["2021-11-23T02:00:00+00:00"]
    assert texts(atom, "a:entry/a:updated") == ["2021-11-23T02:00:00+00:00"]
    assert texts(rss, "channel/item/pubDate") == ["Tue, 23 Nov 2021 02:00:00 +0000"]


def test_r7_a_correction_moves_updated_and_nothing_moves_published() -> None:
    corrected = replace(ARTICLE, updated=ARTICLE.updated + timedelta(hours=1), title="Đính chính")

    before, after = items(ARTICLE)[0], items(corrected)[0]

    assert before["date_published"] == after["date_published"]
    assert (
        before["date_modified"],
        after["date_modified"],
    ) == ("2021-11-24T02:00:00Z", "2021-11-24T03:00:00Z")


def test_r7_a_feed_is_as_new_as_its_newest_entry_or_tombstone() -> None:
    with_tombstone = etree.fromstring(document(FeedFormat.ATOM, ARTICLE, tombstones=[TOMBSTONE]))
    rss = etree.fromstring(document(FeedFormat.RSS, ARTICLE, tombstones=[TOMBSTONE]))

    assert texts(tree(FeedFormat.ATOM, ARTICLE), "a:updated") == ["2021-11-24T02:00:00+00:00"]
    assert texts(with_tombstone, "a:updated") == ["2021-11-25T10:30:00+00:00"]
    assert texts(rss, "channel/lastBuildDate") == ["Thu, 25 Nov 2021 10:30:00 +0000"]


@pytest.mark.parametrize("feed_format", FeedFormat)
def test_r8_every_address_is_absolute_and_harmless(feed_format: FeedFormat) -> None:
    written = document(feed_format, ARTICLE).decode().replace('\\"', '"')

    found = re.findall(r'(?:href|src|url|domain|scheme|_url)"?[=:]"([^"]+)"', written)
    assert len(found) >= 4
    assert all(address.startswith("https://") for address in found)


@pytest.mark.parametrize("feed_format", XML_FORMATS)
def test_r9_a_title_is_plain_text_escaped_once(feed_format: FeedFormat) -> None:
    written = document(feed_format, ARTICLE)

    assert '<title>Tom &amp; "J" &lt;b&gt; ]]&gt; 😀 «Ư»</title>'.encode() in written


def test_r10_atom_names_an_author_always() -> None:
    named, sourced = article(1), article(2, authors=())
    nameless = article(3, authors=(), source=None)

    atom = tree(FeedFormat.ATOM, named, sourced, nameless)

    authors = [texts(entry, "a:author/a:name") for entry in atom.iterfind("a:entry", NAMESPACES)]
    assert authors == [["Nguyễn Ánh", "Lê Đức"], ["nhandan.vn"], ["Tòa soạn"]]
    assert texts(atom, "a:author/a:name") == ["Tòa soạn"]


def test_r10_rss_names_authors_in_dc_creator_once() -> None:
    rss = tree(FeedFormat.RSS, ARTICLE)

    parsed = feedparser.parse(document(FeedFormat.RSS, ARTICLE))

    assert texts(rss, "channel/item/dc:creator") == ["Nguyễn Ánh", "Lê Đức"]
    assert texts(rss, "channel/item/author") == []
    assert [author.name for author in parsed.entries[0].authors] == ["Nguyễn Ánh", "Lê Đức"]


def test_r11_the_description_stands_before_the_content() -> None:
    item = tree(FeedFormat.RSS, ARTICLE).find("channel/item")
    entry = tree(FeedFormat.ATOM, ARTICLE).find("a:entry", NAMESPACES)

    assert item is not None
    assert entry is not None
    rss_order = [etree.QName(child).localname for child in item]
    atom_order = [etree.QName(child).localname for child in entry]
    assert rss_order.index("description") < rss_order.index("encoded")
    assert atom_order.index("summary") < atom_order.index("content")


@pytest.mark.parametrize(
    ("feed_format", "path"), [(FeedFormat.ATOM, "a:link"), (FeedFormat.RSS, "channel/a:link")]
)
def test_r13_the_feed_links_to_itself_under_its_own_media_type(feed_format: FeedFormat, path: str) -> None:
    links = attributes(tree(feed_format, ARTICLE), path)

    expected = {
        "href": f"https://tin.example/feeds/all.{feed_format}",
        "rel": "self",
        "type": feed_format.media_type,
    }
    assert [expected] == [link for link in links if link["rel"] == "self"]


def test_r13_feed_and_entries_link_to_pages() -> None:
    atom, rss = tree(FeedFormat.ATOM, ARTICLE), tree(FeedFormat.RSS, ARTICLE)
    whole = json.loads(document(FeedFormat.JSON, ARTICLE))

    page = {"rel": "alternate", "type": "text/html"}
    assert {"href": FEED.home_url} | page in attributes(atom, "a:link")
    assert [{"href": ARTICLE.link} | page] == attributes(atom, "a:entry/a:link")
    assert ([FEED.home_url], [ARTICLE.link]) == (texts(rss, "channel/link"), texts(rss, "channel/item/link"))
    assert (FEED.home_url, ARTICLE.link) == (whole["home_page_url"], whole["items"][0]["url"])
    assert whole["feed_url"] == "https://tin.example/feeds/all.json"


def test_r15_feed_and_entries_say_their_language() -> None:
    english = article(language="en-GB")
    lang = "{http://www.w3.org/XML/1998/namespace}lang"

    atom, rss = tree(FeedFormat.ATOM, english), tree(FeedFormat.RSS, english)

    entry = atom.find("a:entry", NAMESPACES)
    assert entry is not None
    assert (atom.get(lang), entry.get(lang)) == ("vi", "en-GB")
    assert (texts(rss, "channel/language"), texts(rss, "channel/item/dc:language")) == (["vi"], ["en-GB"])
    assert items(english)[0]["language"] == "en-GB"


def test_r16_a_category_has_scheme_and_label() -> None:
    atom, rss = tree(FeedFormat.ATOM, ARTICLE), tree(FeedFormat.RSS, ARTICLE)

    scheme = "https://tin.example/feeds/category/"
    first = {"term": "xa-hoi", "scheme": scheme, "label": "Xã hội"}
    assert first == attributes(atom, "a:entry/a:category")[0]
    assert [{"domain": scheme}] * 2 == attributes(rss, "channel/item/category")
    assert texts(rss, "channel/item/category") == ["Xã hội", "Giao thông"]
    assert items(ARTICLE)[0]["tags"] == ["Xã hội", "Giao thông", "cầu đường"]


@pytest.mark.parametrize("feed_format", XML_FORMATS)
def test_r17_prefixes_are_the_usual_ones_declared_once(feed_format: FeedFormat) -> None:
    written = document(feed_format, ARTICLE, article(1), tombstones=[TOMBSTONE]).decode()

    prefixes = set(re.findall(r"</?([a-z0-9]+):", written))
    assert prefixes == ({"at"} if feed_format is FeedFormat.ATOM else {"dc", "atom", "content"})
    assert all(written.count(f" xmlns:{prefix}=") == 1 for prefix in prefixes)


@pytest.mark.parametrize("feed_format", FeedFormat)
def test_r18_entries_keep_the_order_they_are_given_in(feed_format: FeedFormat) -> None:
    given = [article(number) for number in range(20)]

    written = document(feed_format, *given).decode()

    places = [written.index(a.uri) for a in given]
    assert all(before < after for before, after in pairwise(places))


@pytest.mark.parametrize("feed_format", FeedFormat)
def test_r19_a_document_stays_under_the_limit_by_leaving_out_the_oldest(feed_format: FeedFormat) -> None:
    huge = [article(number, content_html="<p>" + "ư" * 500_000 + "</p>") for number in range(6)]

    written = document(feed_format, *huge)

    assert DOCUMENT_BYTES - 1_100_000 < len(written) < DOCUMENT_BYTES
    assert [a.uri for a in huge[:4]] == [e.id for e in fastfeedparser.parse(written).entries]


@pytest.mark.parametrize("feed_format", FeedFormat)
def test_r20_an_article_too_large_for_a_feed_goes_with_its_summary_alone(feed_format: FeedFormat) -> None:
    too_large = article(1, content_html="<p>" + "x" * 3_000_000 + "</p>")

    parsed = fastfeedparser.parse(document(feed_format, too_large, article(2)))

    assert [too_large.uri, article(2).uri] == [entry.id for entry in parsed.entries]
    assert too_large.summary == parsed.entries[0].description


@pytest.mark.parametrize("feed_format", FeedFormat)
def test_r20_an_article_that_fits_no_feed_harms_no_other(feed_format: FeedFormat) -> None:
    impossible = article(1, summary="x" * 3_000_000)

    parsed = fastfeedparser.parse(document(feed_format, impossible, article(2)))

    assert [article(2).uri] == [entry.id for entry in parsed.entries]


@pytest.mark.parametrize("feed_format", XML_FORMATS)
def test_r21_an_empty_feed_is_valid(feed_format: FeedFormat) -> None:
    parsed = feedparser.parse(document(feed_format))

    assert not parsed.bozo
    assert (FEED.title, []) == (parsed.feed.title, parsed.entries)
    assert FEED.updated == datetime.fromtimestamp(calendar.timegm(parsed.feed.updated_parsed), tz=UTC)


def test_r21_an_empty_json_feed_has_an_empty_list() -> None:
    parsed = json.loads(document(FeedFormat.JSON))

    assert (parsed["version"], parsed["items"]) == ("https://jsonfeed.org/version/1.1", [])


def test_r22_text_never_turns_into_markup() -> None:
    script = "<script>alert(1)</script> AT&T &lt;"
    hostile = replace(ARTICLE, title=script, summary=script)

    atom, rss = tree(FeedFormat.ATOM, hostile), tree(FeedFormat.RSS, hostile)

    # Atom says that it is text; readers of RSS take the description for HTML, so there it is escaped as such.
    assert [script] == texts(atom, "a:entry/a:summary")
    assert attributes(atom, "a:entry/a:summary") == [{"type": "text"}]
    assert texts(rss, "channel/item/description") == [
        "&lt;script&gt;alert(1)&lt;/script&gt; AT&amp;T &amp;lt;"
    ]


@pytest.mark.parametrize("feed_format", FeedFormat)
def test_r23_the_same_input_gives_the_same_bytes_and_each_format_its_own(feed_format: FeedFormat) -> None:
    written = document(feed_format, ARTICLE, tombstones=[TOMBSTONE])

    assert written == document(feed_format, ARTICLE, tombstones=[TOMBSTONE])
    assert all(written != document(other, ARTICLE) for other in FeedFormat if other is not feed_format)


def test_r24_a_json_item_has_what_json_feed_1_1_demands() -> None:
    item = items(ARTICLE)[0]

    assert isinstance(item["id"], str)
    assert item["authors"] == [{"name": "Nguyễn Ánh", "url": "https://tin.example/anh"}, {"name": "Lê Đức"}]
    assert (ARTICLE.content_html, ARTICLE.summary) == (item["content_html"], item["summary"])
    assert item["image"] == "https://tin.example/cau.jpg"
    assert item["_publisher"] == {"sequence": 2}
    assert "content_text" not in item


def test_r24_an_item_without_a_body_has_text() -> None:
    item = items(replace(ARTICLE, content_html="", summary="", images=()))[0]

    assert ARTICLE.title == item["content_text"]
    assert not {"content_html", "summary", "image"} & item.keys()
