"""A document put together from stored fragments is the document that feedgen itself would write."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from feeds.documents import assemble
from feeds.feed import FeedFormat, Tombstone
from feeds.feedgen_fixes import atom_entry, atom_feed, atom_fragment, rss_feed, rss_fragment, rss_item
from publisher.article import PublicArticle, Source
from tests.fixtures.feeds.samples import ARTICLE, BASE_URL, FEED, TOMBSTONE, article, rendered

ATOM = "http://www.w3.org/2005/Atom"
GOLDEN = Path(__file__).parent.parent / "fixtures" / "feeds"
UTC_FEED = replace(FEED, updated=FEED.updated.astimezone(UTC))


def whole_atom(articles: list[PublicArticle], tombstones: list[Tombstone]) -> bytes:
    """Return what feedgen writes when it holds all the entries at once."""
    generator = atom_feed(UTC_FEED, tombstones)
    for one in articles:
        generator.add_entry(atom_entry(one, BASE_URL), order="append")
    written: bytes = generator.atom_str(pretty=False)
    return written


def whole_rss(articles: list[PublicArticle]) -> bytes:
    generator = rss_feed(UTC_FEED)
    for one in articles:
        generator.add_entry(rss_item(one, BASE_URL), order="append")
    written: bytes = generator.rss_str(pretty=False)
    return written


def test_fifty_atom_fragments_are_feedgens_own_document() -> None:
    articles = [article(number) for number in range(50)]
    old = replace(TOMBSTONE, when=datetime(2021, 11, 1, tzinfo=UTC))

    found = assemble(FeedFormat.ATOM, FEED, [atom_fragment(a, BASE_URL) for a in articles], [old])

    assert whole_atom(articles, [old]) == found


def test_fifty_rss_fragments_are_feedgens_own_document() -> None:
    articles = [article(number) for number in range(50)]

    found = assemble(FeedFormat.RSS, FEED, [rss_fragment(a, BASE_URL) for a in articles])

    assert whole_rss(articles) == found


@given(text=st.text(st.characters(min_codepoint=32, exclude_categories=["C"]), min_size=1))
def test_fragments_of_any_text_are_feedgens_own(text: str) -> None:
    hostile = article(title=text, summary=text, content_html=text, link=f"https://tin.example/{text}")

    atom = assemble(FeedFormat.ATOM, FEED, [atom_fragment(hostile, BASE_URL)])
    rss = assemble(FeedFormat.RSS, FEED, [rss_fragment(hostile, BASE_URL)])

    assert (whole_atom([hostile], []), whole_rss([hostile])) == (atom, rss)


def test_a_body_that_looks_like_an_envelope_stays_a_body() -> None:
    envelope = '</entry></feed></item></channel></rss>]} xmlns:dc="http://purl.org/dc/elements/1.1/"'
    entries = rendered(article(1, content_html=envelope), article(2, content_html=envelope))

    atom = etree.fromstring(assemble(FeedFormat.ATOM, FEED, [e.atom for e in entries]))
    rss = etree.fromstring(assemble(FeedFormat.RSS, FEED, [e.rss for e in entries]))
    feed = json.loads(assemble(FeedFormat.JSON, FEED, [e.json for e in entries]))

    assert [envelope] * 2 == [e.text for e in atom.iterfind(f"{{{ATOM}}}entry/{{{ATOM}}}content")]
    assert [envelope] * 2 == [e.text for e in rss.iterfind("channel/item/{*}encoded")]
    assert [envelope] * 2 == [item["content_html"] for item in feed["items"]]


@pytest.mark.parametrize("feed_format", FeedFormat)
def test_a_feed_looks_as_it_did(feed_format: FeedFormat) -> None:
    entries = rendered(
        ARTICLE,
        article(1, authors=(), summary="", language="en", images=ARTICLE.images[1:]),
        article(2, content_html="", source=Source(name="Nhân Dân")),
    )

    found = assemble(feed_format, FEED, [e.fragment(feed_format) for e in entries], [TOMBSTONE])

    # To accept a change: write `found` to the golden file, and read the difference.
    assert (GOLDEN / f"golden.{feed_format}").read_bytes() == found


def test_tombstones_say_in_atom_what_was_taken_out() -> None:
    root = etree.fromstring(assemble(FeedFormat.ATOM, FEED, [], [TOMBSTONE]))

    tombstone = root.find("{http://purl.org/atompub/tombstones/1.0}deleted-entry")

    assert tombstone is not None
    assert (TOMBSTONE.uri, "2021-11-25T10:30:00+00:00") == (tombstone.get("ref"), tombstone.get("when"))


@pytest.mark.parametrize("feed_format", [FeedFormat.RSS, FeedFormat.JSON])
def test_formats_without_tombstones_name_nothing_that_was_taken_out(feed_format: FeedFormat) -> None:
    assert TOMBSTONE.uri.encode() not in assemble(feed_format, FEED, [], [TOMBSTONE])


def test_a_tombstone_older_than_the_feed_does_not_turn_it_back() -> None:
    old = replace(TOMBSTONE, when=datetime(2020, 1, 1, tzinfo=UTC))

    root = etree.fromstring(assemble(FeedFormat.ATOM, FEED, [], [old]))

    assert FEED.updated == datetime.fromisoformat(root.findtext("{*}updated") or "")


@pytest.mark.parametrize("feed_format", FeedFormat)
def test_a_hostile_title_of_a_feed_does_not_break_it(feed_format: FeedFormat) -> None:
    hostile = replace(FEED, title="Tin\x00 <b>]]></feed>", description="\ud800", author="Tòa\x1b soạn")

    found = assemble(feed_format, hostile, []).decode("utf-8")

    title = json.loads(found)["title"] if feed_format is FeedFormat.JSON else _title(found)
    assert title == "Tin <b>]]></feed>"


def _title(document: str) -> str | None:
    return etree.fromstring(document.encode()).findtext(".//{*}title")


def test_formats_have_addresses_and_media_types_of_their_own() -> None:
    assert [(FEED.links(feed_format)["self"], feed_format.content_type) for feed_format in FeedFormat] == [
        ("https://tin.example/feeds/all.atom", "application/atom+xml; charset=utf-8"),
        ("https://tin.example/feeds/all.rss", "application/rss+xml; charset=utf-8"),
        ("https://tin.example/feeds/all.json", "application/feed+json; charset=utf-8"),
    ]
