"""`A-IM: feed` over HTTP: who has an earlier version of a feed is sent what it lacks (RFC 3229)."""

import gzip
from collections.abc import Callable, Iterator
from uuid import UUID

import brotli
import feedparser
import httpx
import pytest
from lxml import etree

from feeds.catalog import private_urls
from feeds.feed import FeedFormat
from publisher.database import Sessions
from publisher.private_feeds import create_private_feed
from publisher.retract import retract
from tests.readers import reading
from tests.stages.articles import published, run_feeds

EVERY_FORMAT = pytest.mark.parametrize("feed_format", list(FeedFormat))
DELTAS = {"a-im": "feed"}
CATEGORY = "/feeds/category/xa-hoi"


@pytest.fixture
def reader(database: Sessions) -> Iterator[httpx.Client]:
    with reading(database) as client:
        yield client


def bring_out(database: Sessions, *numbers: int, **fields: object) -> list[str]:
    """Publish articles, or correct them; return their ids."""
    with database.begin() as session:
        identifiers = [
            published(
                session,
                **{
                    "url": f"https://news.example/{number}",
                    "title": f"Bài số {number}",
                    "categories": ("Xã hội",),
                    **fields,
                },
            )
            for number in numbers
        ]
        run_feeds(session)
    return [str(one) for one in identifiers]


def take_down(database: Sessions, identifier: str) -> None:
    with database.begin() as session:
        retract(session, UUID(identifier), reason=None)


def ids_in(answer: httpx.Response) -> list[str]:
    """Return the ids of the entries, in any format."""
    if "json" in answer.headers["content-type"]:
        return [item["id"].rpartition("/")[2] for item in answer.json()["items"]]
    return [one["id"].rpartition("/")[2] for one in feedparser.parse(answer.content)["entries"]]


def gone_in(answer: httpx.Response) -> list[str]:
    """Return the ids that tombstones name."""
    named = etree.fromstring(answer.content).iter("{http://purl.org/atompub/tombstones/1.0}deleted-entry")
    return [str(one.get("ref")).rpartition("/")[2] for one in named]


def envelope_of(answer: httpx.Response) -> object:
    """Return all that a feed says besides its entries and tombstones."""
    if "json" in answer.headers["content-type"]:
        return {**answer.json(), "items": []}
    root = etree.fromstring(answer.content)
    for one in (*root.iter("{*}entry"), *root.iter("item"), *root.iter("{*}deleted-entry")):
        parent = one.getparent()
        assert parent is not None
        parent.remove(one)
    etree.cleanup_namespaces(root)
    return etree.tostring(root)


@EVERY_FORMAT
def test_who_has_an_earlier_version_is_sent_what_is_new_and_what_was_corrected(
    database: Sessions, reader: httpx.Client, feed_format: FeedFormat
) -> None:
    first, _, _ = bring_out(database, 1, 2, 3)
    path = f"{CATEGORY}.{feed_format}"
    tag = reader.get(path).headers["etag"]
    (new,) = bring_out(database, 4)
    bring_out(database, 1, title="Đã sửa")

    delta = reader.get(path, headers={**DELTAS, "if-none-match": tag})

    full = reader.get(path)
    assert delta.status_code == 226
    assert ids_in(delta) == [new, first]
    assert "Đã sửa" in delta.text
    assert envelope_of(delta) == envelope_of(full)
    told = ("content-type", "etag", "last-modified", "link", "x-content-type-options")
    assert {name: delta.headers[name] for name in told} == {name: full.headers[name] for name in told}
    assert delta.headers["im"] == "feed"
    assert delta.headers["delta-base"] == tag
    assert delta.headers["cache-control"] == "no-store, im"
    assert delta.headers["vary"] == "A-IM, If-None-Match, Accept-Encoding"
    assert reader.get(path, headers={**DELTAS, "if-none-match": delta.headers["etag"]}).status_code == 304


@EVERY_FORMAT
def test_deltas_lead_from_one_version_to_the_next(
    database: Sessions, reader: httpx.Client, feed_format: FeedFormat
) -> None:
    path = f"/feeds/all.{feed_format}"
    bring_out(database, 0)
    tag = reader.get(path).headers["etag"]

    for number in range(1, 5):
        expected = bring_out(database, number)
        delta = reader.get(path, headers={**DELTAS, "if-none-match": tag})
        tag = delta.headers["etag"]

        assert (226, expected) == (delta.status_code, ids_in(delta))


def test_atom_sends_a_takedown_as_a_tombstone_alone(database: Sessions, reader: httpx.Client) -> None:
    kept, gone, before = bring_out(database, 1, 2, 3)
    take_down(database, before)
    tag = reader.get("/feeds/all.atom").headers["etag"]

    take_down(database, gone)

    delta = reader.get("/feeds/all.atom", headers={**DELTAS, "if-none-match": tag})
    assert (226, [], [gone]) == (delta.status_code, ids_in(delta), gone_in(delta))
    full = reader.get("/feeds/all.atom")
    assert ([kept], [gone, before]) == (ids_in(full), gone_in(full))


@pytest.mark.parametrize("feed_format", [FeedFormat.RSS, FeedFormat.JSON])
def test_formats_that_cannot_tell_a_takedown_send_everything(
    database: Sessions, reader: httpx.Client, feed_format: FeedFormat
) -> None:
    kept, gone = bring_out(database, 1, 2)
    path = f"/feeds/all.{feed_format}"
    tag = reader.get(path).headers["etag"]

    take_down(database, gone)

    answer = reader.get(path, headers={**DELTAS, "if-none-match": tag})
    assert (200, [kept]) == (answer.status_code, ids_in(answer))


@EVERY_FORMAT
def test_a_retracted_article_is_in_no_delta(
    database: Sessions, reader: httpx.Client, feed_format: FeedFormat
) -> None:
    bring_out(database, 1)
    path = f"/feeds/all.{feed_format}"
    first = reader.get(path).headers["etag"]
    (gone,) = bring_out(database, 2)
    second = reader.get(path).headers["etag"]

    take_down(database, gone)
    bring_out(database, 3)

    for tag in (first, second):
        answer = reader.get(path, headers={**DELTAS, "if-none-match": tag})
        assert gone not in ids_in(answer)


@EVERY_FORMAT
def test_an_article_that_leaves_a_category_is_told_by_the_whole_feed(
    database: Sessions, reader: httpx.Client, feed_format: FeedFormat
) -> None:
    kept, _ = bring_out(database, 1, 2)
    tag = reader.get(f"{CATEGORY}.{feed_format}").headers["etag"]

    bring_out(database, 2, categories=("Kinh tế",))

    answer = reader.get(f"{CATEGORY}.{feed_format}", headers={**DELTAS, "if-none-match": tag})
    assert (200, [kept]) == (answer.status_code, ids_in(answer))


@pytest.mark.parametrize(
    "asked",
    [
        {"if-none-match": "{tag}"},
        {**DELTAS},
        {**DELTAS, "if-modified-since": "Tue, 23 Nov 2021 01:52:07 GMT"},
        {"a-im": "feed;q=0", "if-none-match": "{tag}"},
        {"a-im": "vcdiff, gdiff", "if-none-match": "{tag}"},
        {"a-im": "feed;q=0.5, identity", "if-none-match": "{tag}"},
        {**DELTAS, "if-none-match": '"of-somebody-else"'},
        {**DELTAS, "if-none-match": '"of-somebody-else", "another"'},
        {**DELTAS, "if-none-match": "no tag at all"},
    ],
)
def test_everybody_else_is_sent_the_whole_feed(
    database: Sessions, reader: httpx.Client, asked: dict[str, str]
) -> None:
    before = bring_out(database, 1)
    tag = reader.get("/feeds/all.atom").headers["etag"]
    new = bring_out(database, 2)

    answer = reader.get("/feeds/all.atom", headers={k: v.format(tag=tag) for k, v in asked.items()})

    assert (200, new + before) == (answer.status_code, ids_in(answer))
    assert "im" not in answer.headers
    assert answer.headers["cache-control"] == "public, max-age=0, must-revalidate"


def test_of_several_tags_the_latest_version_is_the_base(database: Sessions, reader: httpx.Client) -> None:
    tags = []
    for number in range(3):
        bring_out(database, number)
        tags.append(reader.get("/feeds/all.json").headers["etag"])
    new = bring_out(database, 3)

    named = f'W/{tags[2]}, "foreign", {tags[0]}, {tags[1]}'
    delta = reader.get("/feeds/all.json", headers={"a-im": "vcdiff, feed;q=0.8", "if-none-match": named})

    assert (226, new, tags[2]) == (delta.status_code, ids_in(delta), delta.headers["delta-base"])


@pytest.mark.parametrize("named", ["{tag}", "W/{tag}", '"foreign", {tag}', "*"])
def test_who_has_the_document_is_told_so_as_ever(
    database: Sessions, reader: httpx.Client, named: str
) -> None:
    bring_out(database, 1)
    tag = reader.get("/feeds/all.atom").headers["etag"]

    answer = reader.get("/feeds/all.atom", headers={**DELTAS, "if-none-match": named.format(tag=tag)})

    assert (304, tag) == (answer.status_code, answer.headers["etag"])
    assert "im" not in answer.headers


@pytest.mark.parametrize(("coding", "unpack"), [("gzip", gzip.decompress), ("br", brotli.decompress)])
def test_a_delta_is_packed_as_the_reader_likes_it(
    database: Sessions, reader: httpx.Client, coding: str, unpack: Callable[[bytes], bytes]
) -> None:
    bring_out(database, 1)
    asked = {**DELTAS, "accept-encoding": coding}
    tag = reader.get("/feeds/all.rss", headers=asked).headers["etag"]
    bring_out(database, 2)
    asked["if-none-match"] = tag

    with reader.stream("GET", "/feeds/all.rss", headers=asked) as delta:
        packed = b"".join(delta.iter_raw())

    plain = reader.get("/feeds/all.rss", headers={**asked, "accept-encoding": "identity"})
    full = reader.get("/feeds/all.rss", headers={"accept-encoding": coding})
    assert tag.endswith(f'-{coding}"')
    assert (226, tag) == (delta.status_code, delta.headers["delta-base"])
    assert delta.headers["content-encoding"] == coding
    assert delta.headers["content-length"] == str(len(packed))
    assert delta.headers["etag"] == full.headers["etag"]
    assert unpack(packed) == plain.content
    # Who has it packed has it.
    assert (226, tag) == (plain.status_code, plain.headers["delta-base"])
    assert "content-encoding" not in plain.headers


def test_who_has_the_very_document_in_another_coding_lacks_nothing(
    database: Sessions, reader: httpx.Client
) -> None:
    bring_out(database, 1)
    tag = reader.get("/feeds/all.atom", headers={"accept-encoding": "gzip"}).headers["etag"]

    delta = reader.get("/feeds/all.atom", headers={**DELTAS, "if-none-match": tag})

    assert (226, []) == (delta.status_code, ids_in(delta))
    assert delta.headers["etag"] == reader.get("/feeds/all.atom").headers["etag"] != tag


def test_head_is_get_without_the_body(database: Sessions, reader: httpx.Client) -> None:
    bring_out(database, 1)
    asked = {**DELTAS, "if-none-match": reader.get("/feeds/all.atom").headers["etag"]}
    bring_out(database, 2)

    head, delta = (reader.request(method, "/feeds/all.atom", headers=asked) for method in ("HEAD", "GET"))

    assert (226, b"") == (head.status_code, head.content)
    for name in ("content-length", "etag", "im", "delta-base", "cache-control", "vary"):
        assert head.headers[name] == delta.headers[name]


def test_a_private_feed_sends_deltas_from_its_own_versions(database: Sessions, reader: httpx.Client) -> None:
    bring_out(database, 1)
    with database.begin() as session:
        path = private_urls("", create_private_feed(session, name="Báo A", feed="all")[1])["json"]
    tag, of_all = (reader.get(one).headers["etag"] for one in (path, "/feeds/all.json"))
    new = bring_out(database, 2)

    deltas = [reader.get(path, headers={**DELTAS, "if-none-match": tag}) for _ in range(2)]

    assert [(226, new)] * 2 == [(one.status_code, ids_in(one)) for one in deltas]
    assert deltas[0].headers["x-robots-tag"] == "noindex"
    assert "access-control-allow-origin" not in deltas[0].headers
    assert reader.get(path, headers={**DELTAS, "if-none-match": of_all}).status_code == 200


def test_pages_of_archives_and_searches_are_sent_whole(database: Sessions, reader: httpx.Client) -> None:
    paths = ("/feeds/all/archive/1-1.json", "/feeds/search.json?q=b%C3%A0i")
    bring_out(database, 1, 2)
    tags = [reader.get(path).headers["etag"] for path in paths]
    bring_out(database, 1, title="Bài đã sửa")

    answers = [
        reader.get(path, headers={**DELTAS, "if-none-match": tag})
        for path, tag in zip(paths, tags, strict=True)
    ]

    assert [200, 200] == [answer.status_code for answer in answers]


def test_a_process_that_does_not_remember_sends_everything(database: Sessions, reader: httpx.Client) -> None:
    before = bring_out(database, 1)
    tag = reader.get("/feeds/all.atom").headers["etag"]
    new = bring_out(database, 2)

    with reading(database) as other:
        answer = other.get("/feeds/all.atom", headers={**DELTAS, "if-none-match": tag})

    assert (200, new + before) == (answer.status_code, ids_in(answer))
    assert reader.get("/feeds/all.atom", headers={**DELTAS, "if-none-match": tag}).status_code == 226


def test_scripts_of_other_pages_may_ask_for_deltas(database: Sessions, reader: httpx.Client) -> None:
    bring_out(database, 1)

    preflight = reader.options("/feeds/all.atom")

    assert "A-IM" in preflight.headers["access-control-allow-headers"].split(", ")
    exposed = reader.get("/feeds/all.atom").headers["access-control-expose-headers"]
    assert {"IM", "Delta-Base", "ETag", "Link"} == set(exposed.split(", "))
