"""Feeds over HTTP: what is served, when a copy is still good, what a takedown means at once."""

import gzip
from calendar import timegm
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from uuid import UUID

import fastfeedparser
import feedparser
import httpx
import pytest
from lxml import etree
from sqlalchemy import update

from feeds.feed import FeedFormat
from feeds.serving.conditional import Coding
from feeds.serving.headers import CACHING
from publisher.article import PublicArticle, Source
from publisher.database import Sessions, connect, sessions
from publisher.retract import retract
from publisher.schema import FeedRow
from tests.readers import reading
from tests.stages.articles import (
    ARCHIVE,
    BASE_URL,
    published,
    recorded,
    run_enrich,
    run_feeds,
    run_publish,
)

EVERY_FORMAT = pytest.mark.parametrize("feed_format", list(FeedFormat))
TYPES = {
    FeedFormat.ATOM: "application/atom+xml; charset=utf-8",
    FeedFormat.RSS: "application/rss+xml; charset=utf-8",
    FeedFormat.JSON: "application/feed+json; charset=utf-8",
}
UNKNOWN = (
    "/feeds/category/the-gioi.atom",
    "/feeds/all.xml",
    "/feeds/all.ATOM",
    "/feeds/all.",
    "/feeds/category/xa-hoi.xml",
    "/feeds/category/Xã hội.atom",
    "/feeds/category/XA-HOI.atom",
    "/feeds/category/xa-hoi%00.atom",
    "/feeds/category/%ff%fe.atom",
    "/feeds/category/xa-hoi'%20OR%201=1--.atom",
    f"/feeds/category/{'a' * 5000}.atom",
    "/feeds/category/.atom",
    "/feeds/category/xa-hoi/x.atom",
    "/feeds/tag/xa-hoi.atom",
    "/feeds/planet/xa-hoi.atom",
    "/feeds/all/all.atom",
    "/feeds/all/archive/1-50.atom",
    "/feeds/all/archive/0-50.atom",
    "/feeds/all/archive/2-50.atom",
    "/feeds/all/archive/50-1.atom",
    "/feeds/all/archive/1-51.atom",
    f"/feeds/all/archive/{'9' * 400}-{'9' * 400}.atom",
)
DELETED = "{http://purl.org/atompub/tombstones/1.0}deleted-entry"


@pytest.fixture
def reader(database: Sessions) -> Iterator[httpx.Client]:
    """Somebody who reads feeds."""
    with reading(database) as client:
        yield client


def bring_out(sessions: Sessions, number: int = 0, **fields: object) -> PublicArticle:
    """Publish an article into its feeds."""
    values = {
        "url": f"https://news.example/{number}",
        "title": f"Bài số {number}: Tom & <b>",
        "summary": "Tóm tắt & hơn thế.",
        "categories": ("Xã hội",),
        "source": Source(name="nhandan.vn"),
        **fields,
    }
    with sessions.begin() as session:
        identifier = published(session, **values)
        run_feeds(session)
        return ARCHIVE.public(session, [identifier])[identifier]


def take_down(sessions: Sessions, identifier: UUID) -> None:
    with sessions.begin() as session:
        retract(session, identifier, reason=None)


def age_documents(sessions: Sessions, age: timedelta) -> None:
    """Make every feed look as if it had changed earlier."""
    with sessions.begin() as session:
        session.execute(
            update(FeedRow).values(changed_at=FeedRow.changed_at - age, generation=FeedRow.generation + 1)
        )


def uris(answer: httpx.Response) -> list[str]:
    """Return the ids of the entries, in any format."""
    assert answer.status_code == 200
    if answer.headers["content-type"] == TYPES[FeedFormat.JSON]:
        return [item["id"] for item in answer.json()["items"]]
    return [entry["id"] for entry in feedparser.parse(answer.content)["entries"]]


@EVERY_FORMAT
@pytest.mark.parametrize("name", ["all", "category/xa-hoi", "place/da-nang"])
def test_a_published_article_is_in_its_feeds(
    database: Sessions, reader: httpx.Client, name: str, feed_format: FeedFormat
) -> None:
    article = bring_out(database, places=("Đà Nẵng",))

    answer = reader.get(f"/feeds/{name}.{feed_format}")

    assert uris(answer) == [article.uri]
    assert answer.headers["content-type"] == TYPES[feed_format]
    assert answer.headers["cache-control"] == CACHING
    assert answer.headers["vary"] == "Accept-Encoding"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["access-control-allow-origin"] == "*"


@EVERY_FORMAT
@pytest.mark.parametrize("name", ["all", "category/xa-hoi"])
def test_the_self_link_is_the_address_that_was_asked_for(
    database: Sessions, reader: httpx.Client, name: str, feed_format: FeedFormat
) -> None:
    bring_out(database)

    answer = reader.get(f"/feeds/{name}.{feed_format}")

    own = f"{BASE_URL}/feeds/{name}.{feed_format}"
    assert answer.links["self"] == {"url": own, "rel": "self", "type": feed_format.media_type}
    if feed_format is FeedFormat.JSON:
        assert answer.json()["feed_url"] == own
    else:
        links = {(link["rel"], link["href"]) for link in feedparser.parse(answer.content)["feed"]["links"]}
        assert ("self", own) in links


@pytest.mark.parametrize("feed_format", [FeedFormat.ATOM, FeedFormat.RSS])
def test_feedparser_reads_the_same_fields_as_the_record_has(
    database: Sessions, reader: httpx.Client, feed_format: FeedFormat
) -> None:
    article = bring_out(database, published=datetime(2021, 11, 23, 1, 52, tzinfo=UTC))

    parsed = feedparser.parse(reader.get(f"/feeds/all.{feed_format}").content)

    (entry,) = parsed["entries"]
    assert not parsed["bozo"]
    assert entry["id"] == article.uri
    assert entry["link"] == article.link
    assert entry["title"] == article.title
    assert datetime.fromtimestamp(timegm(entry["published_parsed"]), UTC) == article.published
    assert entry["content"][0]["value"] == article.content_html
    assert entry["author"] == "nhandan.vn"


@EVERY_FORMAT
def test_fastfeedparser_reads_the_same_fields_as_the_record_has(
    database: Sessions, reader: httpx.Client, feed_format: FeedFormat
) -> None:
    article = bring_out(database, title="Bài viết mới", published=datetime(2021, 11, 23, 1, 52, tzinfo=UTC))

    parsed = fastfeedparser.parse(reader.get(f"/feeds/all.{feed_format}").content)

    (entry,) = parsed["entries"]
    assert entry["id"] == article.uri
    assert entry["link"] == article.link
    assert entry["title"] == article.title
    assert datetime.fromisoformat(entry["published"]) == article.published


def test_json_items_carry_the_same_fields_as_the_record_has(database: Sessions, reader: httpx.Client) -> None:
    article = bring_out(database)

    (item,) = reader.get("/feeds/all.json").json()["items"]

    assert item["id"] == article.uri
    assert item["url"] == article.link
    assert item["title"] == article.title
    assert item["summary"] == article.summary
    assert item["content_html"] == article.content_html
    assert datetime.fromisoformat(item["date_published"]) == article.published
    assert item["_publisher"] == {"sequence": 1}


def test_feeds_are_sorted_by_when_articles_became_visible(database: Sessions, reader: httpx.Client) -> None:
    first = bring_out(database, 1, published=datetime(2021, 11, 23, tzinfo=UTC))
    late = bring_out(database, 2, published=datetime(2019, 1, 1, tzinfo=UTC))

    assert uris(reader.get("/feeds/all.atom")) == [late.uri, first.uri]


@EVERY_FORMAT
def test_a_feed_without_articles_is_a_feed(
    database: Sessions, reader: httpx.Client, feed_format: FeedFormat
) -> None:
    answer = reader.get(f"/feeds/all.{feed_format}")

    assert uris(answer) == []
    again = reader.get(f"/feeds/all.{feed_format}", headers={"if-none-match": answer.headers["etag"]})
    assert again.status_code == 304


@EVERY_FORMAT
def test_a_category_whose_only_article_was_taken_down_is_a_feed(
    database: Sessions, reader: httpx.Client, feed_format: FeedFormat
) -> None:
    article = bring_out(database)

    take_down(database, article.id)

    assert uris(reader.get(f"/feeds/category/xa-hoi.{feed_format}")) == []


def test_there_is_one_address_a_feed_and_every_other_is_unknown(
    database: Sessions, reader: httpx.Client
) -> None:
    bring_out(database)

    answers = [reader.get(path) for path in UNKNOWN]

    assert [answer.status_code for answer in answers] == [404] * len(UNKNOWN)
    assert {answer.headers["content-type"] for answer in answers} == {"application/problem+json"}
    assert all(answer.json()["detail"] for answer in answers)


def test_a_cache_does_not_keep_that_a_feed_is_unknown(database: Sessions, reader: httpx.Client) -> None:
    before = reader.get("/feeds/category/xa-hoi.atom")

    bring_out(database)

    assert before.headers["cache-control"] == CACHING
    assert reader.get("/feeds/category/xa-hoi.atom").status_code == 200


def test_an_unknown_query_parameter_changes_nothing(database: Sessions, reader: httpx.Client) -> None:
    bring_out(database)

    assert reader.get("/feeds/all.atom?utm_source=x").content == reader.get("/feeds/all.atom").content


@EVERY_FORMAT
def test_head_is_get_without_the_body(
    database: Sessions, reader: httpx.Client, feed_format: FeedFormat
) -> None:
    bring_out(database)
    full = reader.get(f"/feeds/all.{feed_format}")

    head = reader.head(f"/feeds/all.{feed_format}")

    assert head.content == b""
    for name in ("content-length", "content-type", "etag", "last-modified", "cache-control", "vary"):
        assert head.headers[name] == full.headers[name]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("coding", ["identity", "gzip"])
def test_who_has_the_document_gets_no_body(
    database: Sessions, reader: httpx.Client, method: str, coding: str
) -> None:
    bring_out(database)
    for path in (f"/feeds/all.{one}" for one in FeedFormat):
        accepted = {"accept-encoding": coding}
        tag = reader.get(path, headers=accepted).headers["etag"]

        answer = reader.request(method, path, headers={**accepted, "if-none-match": f'"x", W/{tag}'})

        assert answer.status_code == 304
        assert answer.content == b""
        assert answer.headers["etag"] == tag
        assert answer.headers["cache-control"] == CACHING
        assert answer.headers["vary"] == "Accept-Encoding"
        assert "content-encoding" not in answer.headers


def test_each_coding_and_each_format_is_a_representation_of_its_own(
    database: Sessions, reader: httpx.Client
) -> None:
    bring_out(database)

    tags = [
        reader.get(f"/feeds/all.{one}", headers={"accept-encoding": coding}).headers["etag"]
        for one in FeedFormat
        for coding in Coding
    ]
    crossed = reader.get("/feeds/all.atom", headers={"accept-encoding": "gzip", "if-none-match": tags[0]})

    assert len(set(tags)) == 9
    assert crossed.status_code == 200


@EVERY_FORMAT
def test_a_compressed_body_is_the_plain_one(
    database: Sessions, reader: httpx.Client, feed_format: FeedFormat
) -> None:
    bring_out(database)
    path = f"/feeds/all.{feed_format}"
    plain = reader.get(path)

    with reader.stream("GET", path, headers={"accept-encoding": "gzip"}) as answer:
        packed = b"".join(answer.iter_raw())

    assert "content-encoding" not in plain.headers
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["content-length"] == str(len(packed))
    assert gzip.decompress(packed) == plain.content


def test_who_refuses_every_coding_is_told_what_there_is(database: Sessions, reader: httpx.Client) -> None:
    answer = reader.get("/feeds/all.atom", headers={"accept-encoding": "*;q=0"})

    assert answer.status_code == 406
    assert answer.headers["vary"] == "Accept-Encoding"
    assert "expected br, gzip or identity" in answer.json()["detail"]


def test_a_date_is_enough_for_a_304(database: Sessions, reader: httpx.Client) -> None:
    bring_out(database)
    age_documents(database, timedelta(minutes=1))
    since = reader.get("/feeds/all.atom").headers["last-modified"]

    answer = reader.get("/feeds/all.atom", headers={"if-modified-since": since})

    assert answer.status_code == 304
    assert answer.headers["last-modified"] == since


def test_the_tag_wins_over_the_date(database: Sessions, reader: httpx.Client) -> None:
    bring_out(database)
    now = format_datetime(datetime.now(UTC), usegmt=True)

    answer = reader.get("/feeds/all.atom", headers={"if-modified-since": now, "if-none-match": '"other"'})

    assert answer.status_code == 200


def test_an_article_that_comes_in_late_with_an_old_date_is_a_modification(
    database: Sessions, reader: httpx.Client
) -> None:
    bring_out(database, 1, published=datetime(2021, 11, 23, tzinfo=UTC))
    age_documents(database, timedelta(minutes=1))
    since = reader.get("/feeds/all.atom").headers["last-modified"]

    bring_out(database, 2, published=datetime(2019, 1, 1, tzinfo=UTC))

    assert reader.get("/feeds/all.atom", headers={"if-modified-since": since}).status_code == 200


def test_a_correction_is_the_same_entry_with_a_later_updated(
    database: Sessions, reader: httpx.Client
) -> None:
    bring_out(database)
    before = reader.get("/feeds/all.atom")

    article = bring_out(database, title="Bài số 0, đã sửa")

    after = reader.get("/feeds/all.atom", headers={"if-none-match": before.headers["etag"]})
    (old,), (new,) = (feedparser.parse(one.content)["entries"] for one in (before, after))
    assert new["id"] == old["id"] == article.uri
    assert new["title"] == "Bài số 0, đã sửa"
    assert new["published"] == old["published"]
    assert datetime.fromisoformat(new["updated"]) > datetime.fromisoformat(old["updated"])


def test_the_same_article_again_changes_no_document(database: Sessions, reader: httpx.Client) -> None:
    bring_out(database)
    before = reader.get("/feeds/all.atom")

    bring_out(database)

    assert reader.get("/feeds/all.atom").headers["etag"] == before.headers["etag"]


@EVERY_FORMAT
def test_a_retracted_article_is_gone_with_the_commit(
    database: Sessions, reader: httpx.Client, feed_format: FeedFormat
) -> None:
    kept, gone = bring_out(database, 1), bring_out(database, 2)
    paths = (f"/feeds/all.{feed_format}", f"/feeds/category/xa-hoi.{feed_format}")
    before = [reader.get(path) for path in paths]

    take_down(database, gone.id)

    after = [
        reader.get(path, headers={"if-none-match": copy.headers["etag"]})
        for path, copy in zip(paths, before, strict=True)
    ]
    assert [uris(one) for one in before] == [[gone.uri, kept.uri]] * 2
    assert [uris(one) for one in after] == [[kept.uri]] * 2


def test_atom_says_which_entry_was_deleted(database: Sessions, reader: httpx.Client) -> None:
    kept, gone = bring_out(database, 1), bring_out(database, 2)

    take_down(database, gone.id)

    document = etree.fromstring(reader.get("/feeds/all.atom").content)
    (deleted,) = document.iterchildren(DELETED)
    when = datetime.fromisoformat(str(deleted.attrib["when"]))
    assert deleted.attrib["ref"] == gone.uri
    assert when == datetime.fromisoformat(document.findtext("{*}updated") or "")
    assert when > kept.updated


def test_a_restored_article_is_back_under_its_id_and_not_deleted_any_more(
    database: Sessions, reader: httpx.Client
) -> None:
    article = bring_out(database)
    take_down(database, article.id)

    bring_out(database, restore=True)

    answer = reader.get("/feeds/all.atom")
    assert uris(answer) == [article.uri]
    assert b"deleted-entry" not in answer.content


def test_a_restored_article_stays_deleted_where_it_is_not_back(
    database: Sessions, reader: httpx.Client
) -> None:
    article = bring_out(database)
    take_down(database, article.id)

    bring_out(database, restore=True, categories=("Kinh tế",))

    assert uris(reader.get("/feeds/category/kinh-te.atom")) == [article.uri]
    left = reader.get("/feeds/category/xa-hoi.atom")
    assert uris(left) == []
    assert b"deleted-entry" in left.content


def test_an_article_is_in_no_feed_before_its_embargo_ends(database: Sessions, reader: httpx.Client) -> None:
    with database.begin() as session:
        recorded(session, categories=("Xã hội",), visible_from=datetime.now(UTC) + timedelta(hours=1))
        run_enrich(session)
        run_publish(session)

    assert uris(reader.get("/feeds/all.atom")) == []
    assert reader.get("/feeds/category/xa-hoi.atom").status_code == 404


def test_without_a_database_readers_are_asked_to_come_back(postgres_url: str, database: Sessions) -> None:
    nowhere = postgres_url.rpartition("/")[0] + "/there_is_no_such_database"
    engine = connect(nowhere)
    with reading(sessions(engine, {})) as reader:
        answer = reader.get("/feeds/all.atom")
    engine.dispose()

    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0


@pytest.mark.parametrize(
    "path", ["/feeds/all.atom", "/feeds/category/xa-hoi.json", "/feeds/all/archive/1-50.rss"]
)
def test_scripts_of_other_pages_may_ask_for_feeds_with_conditions(
    database: Sessions, reader: httpx.Client, path: str
) -> None:
    asked = {
        "origin": "https://reader.example",
        "access-control-request-method": "GET",
        "access-control-request-headers": "if-none-match",
    }

    preflight, missing = reader.options(path, headers=asked), reader.get("/feeds/category/x.atom")

    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == "*"
    assert "If-None-Match" in preflight.headers["access-control-allow-headers"]
    assert missing.headers["access-control-allow-origin"] == "*"
    assert "ETag" in reader.get("/feeds/all.atom").headers["access-control-expose-headers"]
