"""Lists of feeds: what OPML 2.0 demands of subscription lists, whatever feeds are called."""

from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime

from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from feeds.opml import Folder, Subscription, opml
from publisher.text import clean_line

AT = datetime(2021, 11, 23, 8, 52, tzinfo=timezone(timedelta(hours=7)))
HOME = "https://news.example/"


def subscription(name: str) -> Subscription:
    return Subscription(name=name, url="https://news.example/feeds/all.atom?a=1&b=2", home_url=HOME)


def tree(*names: str, title: str = "Tin tức", folder: str = "Chuyên mục") -> etree._Element:
    folders = [Folder(name=folder, subscriptions=[subscription(name) for name in names])]
    return etree.fromstring(opml(title, AT, first=[subscription(title)], folders=folders))


def test_it_begins_at_byte_0_in_utf_8_without_a_dtd() -> None:
    document = opml("Tin tức", AT, first=[], folders=[])

    assert document.startswith(b"<?xml version='1.0' encoding='utf-8'?>\n<opml version=\"2.0\">")
    assert "Tin tức".encode() in document


def test_the_head_says_what_it_is_and_since_when() -> None:
    root = tree()

    assert root.findtext("head/title") == "Tin tức"
    assert root.findtext("head/docs") == "http://opml.org/spec2.opml"
    assert root.findtext("head/dateCreated") == "Tue, 23 Nov 2021 01:52:00 GMT"
    assert parsedate_to_datetime(root.findtext("head/dateCreated") or "") == AT.astimezone(UTC)


def test_r26_each_feed_has_its_address_and_the_type_that_readers_look_for() -> None:
    first, folder = tree("Xã hội").iterfind("body/outline")

    (feed,) = folder
    assert dict(first.attrib)["text"] == "Tin tức"
    assert dict(folder.attrib) == {"text": "Chuyên mục", "title": "Chuyên mục"}
    assert dict(feed.attrib) == {
        "type": "rss",
        "text": "Xã hội",
        "title": "Xã hội",
        "xmlUrl": "https://news.example/feeds/all.atom?a=1&b=2",
        "htmlUrl": HOME,
    }


def test_the_same_feeds_give_the_same_bytes() -> None:
    one, other = (opml("Tin", at, first=[subscription("A")], folders=[]) for at in (AT, AT.astimezone(UTC)))

    assert one == other


@given(name=st.text(st.characters(exclude_categories=["Cs"])))
def test_any_name_is_text_and_nothing_else(name: str) -> None:
    hostile = f"\"'<outline>&amp;]]>{name}"

    root = tree(hostile, title=hostile, folder=hostile)

    assert [one.get("text") for one in root.iter("outline")] == [clean_line(hostile)] * 3
    assert root.findtext("head/title") == clean_line(hostile)
