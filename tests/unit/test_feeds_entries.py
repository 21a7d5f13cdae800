"""Entries come back from readers as they went in, whatever the headline, the locale or the thread."""

import calendar
import json
import locale
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import fastfeedparser
import feedgen.util
import feedparser
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from feeds.documents import assemble
from feeds.entries import render_entry
from feeds.feed import FeedFormat
from publisher.article import Category, Person, Source
from publisher.text import clean_line
from tests.fixtures.feeds.samples import (
    ARTICLE,
    BASE_URL,
    FEED,
    FEED_AUTHOR,
    VISIBLE_AT,
    article,
    rendered,
)

ATOM = "http://www.w3.org/2005/Atom"
CONTENT = "http://purl.org/rss/1.0/modules/content/"
ROOT = Path(__file__).parents[2]
VIETNAMESE = "vi_VN.UTF-8"
HEADLINES = [
    'Tom & "J" <b> ]]> 😀 «Ư»',
    "1 < 2 > 0 && true",
    "&amp; &lt;b&gt; &#60; &copy",
    "<script>alert(1)</script",
    "Đường 23,6 km – “Đèo Cả”",
    "مرحبا 你好 שלום",
    "C:\\n {{7*7}} %s ${x}",
    ' xmlns:dc="http://purl.org/dc/elements/1.1/"',
]


@pytest.fixture(scope="session")
def locales(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a Vietnamese locale, if this machine knows how to make one; few have it installed."""
    folder = tmp_path_factory.mktemp("locales")
    make = ["localedef", "-i", "vi_VN", "-f", "UTF-8", str(folder / VIETNAMESE)]
    with suppress(FileNotFoundError):
        subprocess.run(make, capture_output=True, check=False, timeout=60)
    return folder


@pytest.fixture
def foreign_locale(locales: Path) -> Iterator[None]:
    """Set a Vietnamese locale, or whatever this machine has, and whatever is patched later, set it back."""
    set_locale = locale.setlocale
    before = set_locale(locale.LC_ALL)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("LOCPATH", str(locales))
        try:
            set_locale(locale.LC_ALL, VIETNAMESE)
        except locale.Error:
            set_locale(locale.LC_ALL, "C.UTF-8")
        yield
    set_locale(locale.LC_ALL, before)


@pytest.fixture
def new_york(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "America/New_York")
        time.tzset()
        yield
    time.tzset()


def instant(parsed_date: time.struct_time) -> datetime:
    return datetime.fromtimestamp(calendar.timegm(parsed_date), tz=UTC)


def parsed(feed_format: FeedFormat, fragment: str) -> Any:
    return feedparser.parse(assemble(feed_format, FEED, [fragment]))


@pytest.mark.parametrize("feed_format", [FeedFormat.ATOM, FeedFormat.RSS])
def test_feedparser_reads_the_fields_that_went_in(feed_format: FeedFormat) -> None:
    headline = replace(ARTICLE, authors=(Person(name="Lê Đức"),))

    found = parsed(feed_format, rendered(headline)[0].fragment(feed_format))

    entry = found.entries[0]
    assert not found.bozo
    assert (ARTICLE.uri, ARTICLE.link, ARTICLE.title) == (entry.id, entry.link, entry.title)
    assert (ARTICLE.summary, "Lê Đức") == (entry.summary, entry.author)
    assert ARTICLE.published == instant(entry.published_parsed)
    assert ARTICLE.updated == instant(entry.updated_parsed)
    assert "<h2>Hai cây cầu</h2>" in entry.content[0].value
    labels = [tag.label or tag.term for tag in entry.tags]
    assert [*(category.label for category in ARTICLE.categories), *ARTICLE.tags, *ARTICLE.places] == labels


@pytest.mark.parametrize("feed_format", FeedFormat)
def test_fastfeedparser_reads_the_fields_that_went_in(feed_format: FeedFormat) -> None:
    found = fastfeedparser.parse(
        assemble(feed_format, FEED, [e.fragment(feed_format) for e in rendered(ARTICLE, article(1))])
    )

    entry = found.entries[0]
    assert [ARTICLE.uri, article(1).uri] == [e.id for e in found.entries]
    assert (ARTICLE.link, ARTICLE.title, ARTICLE.summary) == (entry.link, entry.title, entry.description)
    assert ARTICLE.content_html == entry.content[0]["value"]
    assert ARTICLE.published == datetime.fromisoformat(entry.published)
    assert ARTICLE.updated == datetime.fromisoformat(entry.updated)
    assert entry.author == "Nguyễn Ánh"


@pytest.mark.parametrize("feed_format", [FeedFormat.ATOM, FeedFormat.RSS])
@pytest.mark.parametrize("headline", HEADLINES)
def test_xml_gives_every_headline_back(feed_format: FeedFormat, headline: str) -> None:
    fragment = rendered(article(title=headline, content_html=headline))[0].fragment(feed_format)

    root = etree.fromstring(assemble(feed_format, FEED, [fragment]))

    found = [e.text for e in root.iter() if e.tag in {f"{{{ATOM}}}content", f"{{{CONTENT}}}encoded"}]
    titles = [e.text for e in root.iter() if etree.QName(e).localname == "title"]
    assert ([headline], headline.strip()) == (found, titles[1])


@given(headline=st.text(min_size=1))
def test_any_headline_reads_back_clean_in_every_format(headline: str) -> None:
    shown = replace(ARTICLE, title=headline, summary=headline, content_html=headline)
    entry = rendered(shown)[0]

    atom = etree.fromstring(assemble(FeedFormat.ATOM, FEED, [entry.atom]))
    rss = etree.fromstring(assemble(FeedFormat.RSS, FEED, [entry.rss]))
    item = json.loads(assemble(FeedFormat.JSON, FEED, [entry.json]))["items"][0]

    expected = clean_line(headline) or shown.link
    written = [atom.findtext("{*}entry/{*}title"), rss.findtext("channel/item/title"), item["title"]]
    assert [expected] * 3 == [clean_line(title or "") for title in written]


@given(
    headline=st.text(st.characters(min_codepoint=32, exclude_categories=["C"]), min_size=1).filter(str.strip)
)
def test_feedparser_never_stumbles_over_a_headline(headline: str) -> None:
    entry = rendered(article(title=headline, summary=headline, content_html=headline))[0]

    atom, rss = parsed(FeedFormat.ATOM, entry.atom), parsed(FeedFormat.RSS, entry.rss)

    assert not atom.bozo
    assert not rss.bozo
    assert [ARTICLE.uri] == [e.id for e in atom.entries] == [e.id for e in rss.entries]


@given(
    apart=st.timedeltas(min_value=timedelta(days=-300_000), max_value=timedelta(days=300_000)),
    late=st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=9000)),
    zone=st.integers(min_value=-14, max_value=14).map(lambda hours: timezone(timedelta(hours=hours))),
)
def test_updated_never_precedes_published_and_neither_the_future(
    apart: timedelta, late: timedelta, zone: timezone
) -> None:
    published = (VISIBLE_AT + apart).astimezone(zone)
    dated = replace(ARTICLE, published=published, updated=max(published, VISIBLE_AT - late))

    entry = rendered(dated)[0]

    item = json.loads(entry.json)
    shown = datetime.fromisoformat(item["date_published"])
    assert min(published, VISIBLE_AT) == shown
    assert shown <= entry.updated == datetime.fromisoformat(item["date_modified"])
    assert entry.updated <= VISIBLE_AT


def test_a_correction_after_a_future_date_is_seen() -> None:
    corrected = replace(ARTICLE, published=datetime(2077, 1, 1, tzinfo=UTC))

    entry = rendered(corrected)[0]

    assert ARTICLE.updated == entry.updated


def test_an_entry_is_the_same_under_any_locale_and_time_zone(foreign_locale: None, new_york: None) -> None:
    entry = rendered(ARTICLE)[0]

    assert "<pubDate>Tue, 23 Nov 2021 01:52:00 +0000</pubDate>" in entry.rss
    assert "<published>2021-11-23T01:52:00+00:00</published>" in entry.atom
    assert '"date_published":"2021-11-23T01:52:00Z"' in entry.json


def test_eight_threads_render_alike_and_leave_the_locale_alone(
    foreign_locale: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[object] = []
    monkeypatch.setattr(feedgen.util.locale, "setlocale", lambda *arguments: calls.append(arguments))
    expected = [_documents(number) for number in range(40)]

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(_documents, range(40)))

    assert expected == found
    assert calls == []


def test_eight_threads_of_a_process_abroad_render_what_we_render(locales: Path) -> None:
    abroad = {
        "LC_ALL": VIETNAMESE,
        "LOCPATH": str(locales),
        "TZ": "America/New_York",
        "PYTHONUTF8": "1",
    }

    found = subprocess.run(
        [sys.executable, "-m", "tests.fixtures.feeds.abroad"],
        env=os.environ | abroad,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert (found.returncode, found.stderr) == (0, "")
    here = [document.decode() for document in _documents(7)]
    assert json.loads(found.stdout) == {"documents": here, "calls_of_setlocale": 0}


def _documents(number: int) -> list[bytes]:
    entry = rendered(article(number))[0]
    return [assemble(feed_format, FEED, [entry.fragment(feed_format)]) for feed_format in FeedFormat]


def test_a_base_url_may_end_in_a_slash() -> None:
    def render(base_url: str) -> str:
        return render_entry(
            ARTICLE, first_visible_at=VISIBLE_AT, base_url=base_url, feed_author=FEED_AUTHOR
        ).atom

    assert render(BASE_URL) == render(f"{BASE_URL}/")


def test_optional_fields_may_all_be_absent() -> None:
    bare = article(
        **dict.fromkeys(["authors", "categories", "tags", "places", "images", "related"], ()),
        source=None,
        summary="",
        language="",
    )

    entry = rendered(bare)[0]

    assert "<summary" not in entry.atom
    assert "<category" not in entry.atom + entry.rss
    assert "lang" not in entry.atom + entry.rss + entry.json
    assert "media:" not in entry.atom + entry.rss
    assert "source" not in entry.atom + entry.rss + entry.json
    assert "attachments" not in entry.json


def test_control_characters_in_addresses_and_names_are_dropped() -> None:
    hostile = article(
        link="https://tin.example/\x00a",
        authors=(Person(name="\x01", email="a\x02@b.vn", url="https://tin.example/\x03"),),
        categories=(Category(term="xa\x04-hoi", label="Xã\x05 hội"),),
        source=Source(name="x\x06"),
    )

    entry = rendered(hostile)[0]

    root = etree.fromstring(assemble(FeedFormat.ATOM, FEED, [entry.atom]))
    assert root.findtext("{*}entry/{*}author/{*}name") == FEED_AUTHOR
    assert root.findtext("{*}entry/{*}author/{*}email") == "a@b.vn"
    assert "https://tin.example/a" in entry.rss
    assert root.find("{*}entry/{*}category").get("label") == "Xã hội"
