"""The rules for feeds that readers and validators taught us, a test a rule, by their numbers."""

import calendar
import html
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
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from feeds.documents import DOCUMENT_BYTES, assemble, fitting
from feeds.feed import FeedFormat, Tombstone
from publisher.article import Category, Image, Person, PublicArticle, Related, Source
from publisher.ingest.article_in import parse_article
from tests.fixtures.feeds.samples import ARTICLE, FEED, TOMBSTONE, VISIBLE_AT, article, rendered

XML_FORMATS = (FeedFormat.ATOM, FeedFormat.RSS)
NAMESPACES = {
    "a": "http://www.w3.org/2005/Atom",
    "at": "http://purl.org/atompub/tombstones/1.0",
    "content": "http://purl.org/rss/1.0/modules/content/",
    "dc": "http://purl.org/dc/elements/1.1/",
    "media": "http://search.yahoo.com/mrss/",
}
PAGE = "https://nhandan.vn/duong-ven-bien?a=1&b=2"
# Formatted by hand, so that no date formatter of ours checks itself.
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

TEXT = st.text(max_size=20)
ADDRESSES = TEXT | st.tuples(st.sampled_from(["http://", "https://tin.example/"]), TEXT).map("".join)
CHANGES = {
    "title": TEXT,
    "summary": TEXT,
    "content_html": TEXT,
    "language": TEXT,
    "authors": st.tuples(st.builds(Person, name=TEXT, email=st.none() | TEXT, url=st.none() | ADDRESSES)),
    "categories": st.tuples(st.builds(Category, term=TEXT, label=TEXT)),
    "tags": st.tuples(TEXT),
    "places": st.tuples(TEXT),
    "images": st.tuples(
        st.builds(
            Image,
            url=ADDRESSES,
            alt=st.none() | TEXT,
            caption=st.none() | TEXT,
            media_type=st.none() | TEXT,
            length=st.none() | st.integers(0, 2**53),
        )
    ),
    "source": st.builds(Source, name=TEXT, url=st.none() | ADDRESSES),
    "related": st.tuples(st.builds(Related, title=TEXT, url=st.none() | ADDRESSES)),
}
ARTICLES = st.fixed_dictionaries({}, optional=CHANGES).map(lambda changes: replace(ARTICLE, **changes))


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
        ARTICLE,
        title=text,
        summary=text,
        content_html=text,
        tags=(text,),
        places=(text,),
        authors=(Person(name=text, url=f"https://tin.example/{text}"),),
        images=(Image(url=f"https://tin.example/{text}", alt=text, caption=text),),
        source=Source(name=text, url=f"https://tin.example/{text}"),
        related=(Related(title=text, url=f"https://tin.example/{text}"),),
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


@given(changes=st.fixed_dictionaries({}, optional=CHANGES), later=st.integers(0, 10**6))
def test_r7_nothing_but_a_new_date_of_the_article_moves_updated(changes: dict[str, Any], later: int) -> None:
    moved = ARTICLE.updated + timedelta(seconds=later)

    same, corrected = rendered(replace(ARTICLE, **changes), replace(ARTICLE, **changes, updated=moved))

    assert (ARTICLE.updated, moved) == (same.updated, corrected.updated)
    assert f"<updated>{moved.astimezone(UTC).isoformat()}</updated>" in corrected.atom
    assert f"<atom:updated>{moved.astimezone(UTC).isoformat()}</atom:updated>" in corrected.rss
    assert datetime.fromisoformat(json.loads(corrected.json)["date_modified"]) == moved


def test_r7_a_correction_is_the_same_entry_in_every_format() -> None:
    corrected = replace(ARTICLE, sequence=3, title="Đính chính", updated=ARTICLE.updated + timedelta(hours=1))

    before, after = rendered(ARTICLE, corrected)

    for feed_format in XML_FORMATS:
        old, new = (
            feedparser.parse(assemble(feed_format, FEED, [one.fragment(feed_format)])).entries[0]
            for one in (before, after)
        )
        assert (old.id, old.published) == (new.id, new.published)
        assert old.updated_parsed < new.updated_parsed


@pytest.mark.parametrize("feed_format", FeedFormat)
def test_r8_every_address_is_absolute_and_harmless(feed_format: FeedFormat) -> None:
    written = document(feed_format, ARTICLE).decode().replace('\\"', '"')

    found = re.findall(r'(?:href|src|url|domain|scheme|_url)"?[=:]"([^"]+)"', written)
    assert len(found) >= 4
    assert all(address.startswith("https://") for address in found)


@pytest.mark.parametrize("feed_format", FeedFormat)
def test_r8_what_came_in_with_relative_addresses_goes_out_with_absolute_ones(feed_format: FeedFormat) -> None:
    sent = (
        '<p><a href="/a">a</a> <a href="b">b</a> <a href="javascript:alert(1)">c</a></p>'
        '<img src="//cdn.example/1.jpg" srcset="2.jpg 2x"><img src="data:image/png;base64,AA">'
        '<video src="v.mp4" poster="p.jpg"></video>'
    )
    body = _sanitised(sent)

    written = document(feed_format, replace(ARTICLE, content_html=body)).decode().replace('\\"', '"')

    found = re.findall(r'(?:href|src|srcset|poster)="([^"]+)"', html.unescape(written))
    assert {"https://tin.example/a", "https://tin.example/bai/b", "https://cdn.example/1.jpg"} < set(found)
    assert [one for one in found if not one.startswith("https://")] == []


@pytest.mark.parametrize("feed_format", FeedFormat)
@pytest.mark.parametrize(
    "address", ["/1.jpg", "javascript:alert(1)", "data:image/png;base64,AA", "https://", "https://[x", ""]
)
def test_r8_what_is_no_web_address_is_left_out(feed_format: FeedFormat, address: str) -> None:
    hostile = replace(
        ARTICLE,
        authors=(Person(name="A", url=address),),
        images=(Image(url=address, media_type="image/jpeg", length=1),),
        source=Source(name="B", url=address),
        related=(Related(title="C", url=address),),
    )

    nothing = replace(ARTICLE, authors=(Person(name="A"),), images=(), source=Source(name="B"), related=())
    assert document(feed_format, hostile) == document(feed_format, nothing)


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


def test_r12_an_enclosure_has_address_length_and_type() -> None:
    atom, rss = tree(FeedFormat.ATOM, ARTICLE), tree(FeedFormat.RSS, ARTICLE)

    picture = {"type": "image/jpeg", "length": "48213"}
    url = "https://tin.example/cau.jpg"
    enclosures = [one for one in attributes(atom, "a:entry/a:link") if one["rel"] == "enclosure"]
    assert enclosures == [{"rel": "enclosure", "href": url, "title": "Cầu"} | picture]
    assert attributes(rss, "channel/item/enclosure") == [{"url": url} | picture]
    assert items(ARTICLE)[0]["attachments"] == [
        {"url": url, "mime_type": "image/jpeg", "title": "Cầu", "size_in_bytes": 48213}
    ]


@pytest.mark.parametrize("known", [{}, {"media_type": "image/png"}, {"length": 5}])
def test_r12_an_enclosure_of_unknown_length_or_type_is_none(known: dict[str, Any]) -> None:
    shown = replace(ARTICLE, images=(Image(url="https://tin.example/cau.jpg", **known),))

    written = [document(feed_format, shown).decode() for feed_format in XML_FORMATS]

    assert [text for text in written if "enclosure" in text] == []
    assert all('media:content url="https://tin.example/cau.jpg" medium="image"' in text for text in written)


@pytest.mark.parametrize("length", [None, 0, 2**53])
def test_r12_an_attachment_of_json_feed_needs_a_type_only(length: int | None) -> None:
    image = Image(url="https://tin.example/a", media_type="image/webp", length=length)

    (attachment,) = items(replace(ARTICLE, images=(image,)))[0]["attachments"]

    assert (attachment["mime_type"], attachment.get("size_in_bytes")) == ("image/webp", length)


def test_r12_of_several_enclosures_rss_has_the_first_and_atom_all() -> None:
    images = [Image(url=f"https://tin.example/{name}", media_type="image/png", length=7) for name in "abb"]
    several = replace(ARTICLE, images=(Image(url="https://tin.example/0"), *images))

    atom, rss = tree(FeedFormat.ATOM, several), tree(FeedFormat.RSS, several)

    links = [one["href"] for one in attributes(atom, "a:entry/a:link") if one["rel"] == "enclosure"]
    assert links == ["https://tin.example/a", "https://tin.example/b"]
    assert [one["url"] for one in attributes(rss, "channel/item/enclosure")] == ["https://tin.example/a"]


@pytest.mark.parametrize(
    ("feed_format", "entry"), [(FeedFormat.ATOM, "a:entry"), (FeedFormat.RSS, "channel/item")]
)
def test_r12_every_picture_is_media_content_right_in_the_entry(feed_format: FeedFormat, entry: str) -> None:
    root = tree(feed_format, ARTICLE)

    first, second = attributes(root, f"{entry}/media:content")
    jpeg = {"url": "https://tin.example/cau.jpg", "medium": "image", "type": "image/jpeg"}
    assert first == jpeg | {"fileSize": "48213"}
    assert second == {"url": "https://tin.example/anh?id=7&rong=800", "medium": "image"}
    assert texts(root, f"{entry}/media:content/media:title") == ["Cầu"]
    assert texts(root, f"{entry}/media:content/media:description") == ["Cầu mới & <đẹp>"]
    assert attributes(root, f"{entry}/media:thumbnail") == [{"url": "https://tin.example/cau.jpg"}]
    assert root.find(".//media:group", NAMESPACES) is None


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://tin.example/a.JPG", "image/jpeg"),
        ("https://tin.example/a.webp?rong=800#x", "image/webp"),
        ("https://tin.example/a.svg", "image/svg+xml"),
        ("https://tin.example/a.php?f=b.jpg", None),
        ("https://tin.example/jpg", None),
        ("https://tin.jpg", None),
        ("https://tin.example/a.", None),
    ],
)
def test_r12_the_ending_of_an_address_tells_the_type_of_media_content(url: str, expected: str | None) -> None:
    rss = tree(FeedFormat.RSS, replace(ARTICLE, images=(Image(url=url),)))

    assert [one.get("type") for one in attributes(rss, "channel/item/media:content")] == [expected]


@pytest.mark.parametrize("feed_format", XML_FORMATS)
@pytest.mark.parametrize("missing", [{"summary": ""}, {"content_html": ""}, {"title": ""}])
def test_r12_no_reader_takes_a_picture_for_the_article(
    feed_format: FeedFormat, missing: dict[str, str]
) -> None:
    described = replace(ARTICLE, **missing)
    bare = replace(described, images=())

    found, expected = (feedparser.parse(document(feed_format, one)).entries[0] for one in (described, bare))

    names = ("title", "summary", "content", "link", "id", "source")
    assert [found.get(name) for name in names] == [expected.get(name) for name in names]


@pytest.mark.parametrize(
    ("feed_format", "path"), [(FeedFormat.ATOM, "a:link"), (FeedFormat.RSS, "channel/a:link")]
)
def test_r13_a_feed_names_its_hub(feed_format: FeedFormat, path: str) -> None:
    hub = "https://tin.example/hub?a=1&b=2"

    with_hub = etree.fromstring(assemble(feed_format, replace(FEED, hub=hub), []))

    hubs = [link for link in attributes(with_hub, path) if link["rel"] == "hub"]
    assert hubs == [{"rel": "hub", "href": hub}]
    assert b'rel="hub"' not in document(feed_format, ARTICLE)


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
    links = attributes(atom, "a:entry/a:link")
    assert [{"href": ARTICLE.link} | page] == [one for one in links if one["rel"] == "alternate"]
    assert ([FEED.home_url], [ARTICLE.link]) == (texts(rss, "channel/link"), texts(rss, "channel/item/link"))
    assert (FEED.home_url, ARTICLE.link) == (whole["home_page_url"], whole["items"][0]["url"])
    assert whole["feed_url"] == "https://tin.example/feeds/all.json"


@pytest.mark.parametrize("feed_format", FeedFormat)
def test_r13_the_link_of_an_entry_is_the_article_to_every_reader(feed_format: FeedFormat) -> None:
    written = document(feed_format, ARTICLE)

    links = {fastfeedparser.parse(written).entries[0].link}
    if feed_format in XML_FORMATS:
        links.add(feedparser.parse(written).entries[0].link)

    assert links == {ARTICLE.link}


def test_r14_a_source_with_an_address_has_id_title_and_time() -> None:
    atom, rss = tree(FeedFormat.ATOM, ARTICLE), tree(FeedFormat.RSS, ARTICLE)

    source = "a:entry/a:source"
    assert texts(atom, f"{source}/a:id") == [PAGE]
    assert texts(atom, f"{source}/a:title") == ["nhandan.vn"]
    assert texts(atom, f"{source}/a:updated") == texts(atom, "a:entry/a:published")
    assert attributes(atom, f"{source}/a:link") == [{"rel": "alternate", "href": PAGE}]
    assert attributes(rss, "channel/item/source") == [{"url": PAGE}]
    assert texts(rss, "channel/item/source") == ["nhandan.vn"]
    assert items(ARTICLE)[0]["_source"] == {"name": "nhandan.vn", "url": PAGE}


@pytest.mark.parametrize("url", ["https://NhanDan.vn", "HTTPS://nhandan.vn/", "https://nhandan.vn:443/"])
def test_r14_a_source_has_one_id_however_its_address_is_spelt(url: str) -> None:
    atom = tree(FeedFormat.ATOM, replace(ARTICLE, source=Source(name="nhandan.vn", url=url)))

    assert texts(atom, "a:entry/a:source/a:id") == ["https://nhandan.vn/"]


def test_r14_no_id_is_invented_for_a_source_that_is_only_a_name() -> None:
    named = replace(ARTICLE, source=Source(name="Nhân Dân"))

    atom, rss = tree(FeedFormat.ATOM, named), tree(FeedFormat.RSS, named)

    assert atom.find("a:entry/a:source", NAMESPACES) is None
    assert rss.find("channel/item/source") is None
    assert texts(atom, "a:entry/dc:source") == texts(rss, "channel/item/dc:source") == ["Nhân Dân"]
    assert items(named)[0]["_source"] == {"name": "Nhân Dân"}


@pytest.mark.parametrize(
    ("url", "via", "external_url"),
    [
        (PAGE, [PAGE], PAGE),
        ("https://nhandan.vn/?p=1", ["https://nhandan.vn/?p=1"], "https://nhandan.vn/?p=1"),
        ("https://nhandan.vn/", ["https://nhandan.vn/"], None),
        (ARTICLE.link, [], None),
        (None, [], None),
    ],
)
def test_r14_an_article_from_elsewhere_leads_there(
    url: str | None, via: list[str], external_url: str | None
) -> None:
    taken = replace(ARTICLE, source=Source(name="nhandan.vn", url=url))

    links = attributes(tree(FeedFormat.ATOM, taken), "a:entry/a:link")

    assert [one["href"] for one in links if one["rel"] == "via"] == via
    assert items(taken)[0].get("external_url") == external_url


def test_r14_related_articles_are_links_where_they_can_be_opened() -> None:
    links = attributes(tree(FeedFormat.ATOM, ARTICLE), "a:entry/a:link")

    related = {"rel": "related", "href": "https://nhandan.vn/lien-quan", "title": 'Bài "liên quan"'}
    assert [one for one in links if one["rel"] == "related"] == [related]


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

    category, tag, place = (f"https://tin.example/feeds/{kind}/" for kind in ("category", "tag", "place"))
    assert attributes(atom, "a:entry/a:category") == [
        {"term": "xa-hoi", "scheme": category, "label": "Xã hội"},
        {"term": "giao-thong", "scheme": category, "label": "Giao thông"},
        {"term": "giao-thong", "scheme": tag, "label": "Giao thông"},
        {"term": "cau-duong", "scheme": tag, "label": "cầu đường"},
        {"term": "da-nang", "scheme": place, "label": "Đà Nẵng"},
        {"term": "giao-thong", "scheme": place, "label": "Giao thông"},
    ]
    domains = [one["domain"] for one in attributes(rss, "channel/item/category")]
    assert domains == [category, category, tag, tag, place, place]
    names = ["Xã hội", "Giao thông", "Giao thông", "cầu đường", "Đà Nẵng", "Giao thông"]
    assert texts(rss, "channel/item/category") == names
    assert items(ARTICLE)[0]["tags"] == ["Xã hội", "Giao thông", "cầu đường", "Đà Nẵng"]


def test_r16_two_spellings_of_one_name_are_one_category() -> None:
    spelt = replace(
        ARTICLE,
        categories=(Category(term="hoa", label="Hoà"), Category(term="hoa", label="Hòa")),
        tags=("Đèo Cả", "đèo cả", "新闻"),
        places=("Đà Nẵng", "da nang"),
    )

    labels = [one["label"] for one in attributes(tree(FeedFormat.ATOM, spelt), "a:entry/a:category")]

    assert labels == ["Hoà", "Đèo Cả", "新闻", "Đà Nẵng"]


@pytest.mark.parametrize("feed_format", XML_FORMATS)
def test_r17_prefixes_are_the_usual_ones_declared_once(feed_format: FeedFormat) -> None:
    named = article(1, source=Source(name="Nhân Dân"))

    written = document(feed_format, ARTICLE, named, tombstones=[TOMBSTONE]).decode()

    prefixes = set(re.findall(r"</?([a-z0-9]+):", written))
    here = {"at"} if feed_format is FeedFormat.ATOM else {"atom", "content"}
    assert prefixes == here | {"dc", "media"}
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
def test_r20_pictures_too_large_for_a_feed_do_not_cost_the_entry(feed_format: FeedFormat) -> None:
    images = tuple(
        Image(url=f"https://tin.example/{number}?{'&' * 1_900}", alt='"' * 1_000, caption="<" * 1_000)
        for number in range(300)
    )

    parsed = fastfeedparser.parse(document(feed_format, article(1, images=images), article(2)))

    assert [article(1).uri, article(2).uri] == [entry.id for entry in parsed.entries]


@given(hostile=ARTICLES)
def test_r20_nothing_that_an_article_holds_breaks_a_feed(hostile: PublicArticle) -> None:
    atom, rss = tree(FeedFormat.ATOM, hostile, article(2)), tree(FeedFormat.RSS, hostile, article(2))

    assert texts(atom, "a:entry/a:id") == [hostile.uri, article(2).uri]
    assert texts(rss, "channel/item/guid") == [hostile.uri, article(2).uri]
    assert [item["id"] for item in items(hostile, article(2))] == [hostile.uri, article(2).uri]


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
def test_r22_what_came_in_active_goes_out_as_plain_html(feed_format: FeedFormat) -> None:
    sent = (
        '<p style="x" onclick="alert(1)">Một</p><script>alert(1)</script><style>p{}</style>'
        '<iframe src="https://a.example"></iframe><img src="https://a.example/1.jpg" onerror="alert(1)">'
    )
    body = _sanitised(sent)

    written = document(feed_format, replace(ARTICLE, content_html=body)).decode().lower()

    assert "một" in written
    assert [
        word for word in ("script>", "onclick", "onerror", "style", "iframe", "alert") if word in written
    ] == []


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


def test_r24_a_json_feed_names_its_hub_and_another_page_than_itself() -> None:
    before = "https://tin.example/feeds/all/archive/1-50"
    feed = replace(FEED, hub="https://tin.example/hub", previous=before)

    whole = json.loads(assemble(FeedFormat.JSON, feed, []))

    assert whole["hubs"] == [{"type": "WebSub", "url": "https://tin.example/hub"}]
    assert whole["next_url"] == f"{before}.json" != whole["feed_url"]
    assert "hubs" not in json.loads(document(FeedFormat.JSON))


def _sanitised(body: str) -> str:
    """Return what ingest makes of a body."""
    sent = {"url": "https://tin.example/bai/1", "title": "T", "content_html": body}
    return parse_article(sent).content_html or ""
