"""The archive of a feed (RFC 5005): walking back meets every article once, while others come and go."""

from collections.abc import Iterator
from uuid import UUID

import feedparser
import httpx
import pytest
from lxml import etree

from feeds.catalog import ARCHIVE_LENGTH
from feeds.feed import FeedFormat
from publisher.database import Sessions
from publisher.ids import new_id
from publisher.retract import retract
from tests.readers import reading
from tests.stages.articles import BASE_URL, published, run_feeds

LENGTH = 5
EVERY_FORMAT = pytest.mark.parametrize("feed_format", list(FeedFormat))


@pytest.fixture
def reader(database: Sessions) -> Iterator[httpx.Client]:
    """Somebody who reads feeds; they are short, so that there is much behind them."""
    with reading(database, feed_length=LENGTH) as client:
        yield client


def bring_out(database: Sessions, count: int, **fields: object) -> list[str]:
    """Publish so many articles; return their ids, oldest first."""
    with database.begin() as session:
        identifiers = [
            str(published(session, url=f"https://news.example/{new_id()}", **fields)) for _ in range(count)
        ]
        run_feeds(session)
    return identifiers


def ids_in(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    if answer.headers["content-type"].startswith("application/feed+json"):
        uris = [item["id"] for item in answer.json()["items"]]
    else:
        parsed = feedparser.parse(answer.content)
        assert not parsed["bozo"]
        uris = [entry["id"] for entry in parsed["entries"]]
    return [uri.rpartition("/")[2] for uri in uris]


def previous_of(answer: httpx.Response) -> str | None:
    """Return the path of the page before, as the document itself names it."""
    if answer.headers["content-type"].startswith("application/feed+json"):
        found = answer.json().get("next_url")
    else:
        links = feedparser.parse(answer.content)["feed"]["links"]
        found = next((link["href"] for link in links if link["rel"] == "prev-archive"), None)
    return found.removeprefix(BASE_URL) if found else None


def walk(reader: httpx.Client, path: str) -> Iterator[httpx.Response]:
    """Yield the feed and every page behind it."""
    following: str | None = path
    while following is not None:
        answer = reader.get(following)
        yield answer
        following = previous_of(answer)


@EVERY_FORMAT
def test_walking_back_meets_every_article_once_newest_first(
    database: Sessions, reader: httpx.Client, feed_format: FeedFormat
) -> None:
    made = bring_out(database, 2 * ARCHIVE_LENGTH + 13)

    met = [one for page in walk(reader, f"/feeds/all.{feed_format}") for one in ids_in(page)]

    assert met == made[::-1]


def test_what_comes_while_somebody_walks_moves_nothing(database: Sessions, reader: httpx.Client) -> None:
    made = bring_out(database, ARCHIVE_LENGTH + 20)

    met = []
    for page in walk(reader, "/feeds/all.json"):
        met += ids_in(page)
        bring_out(database, 7)

    assert met == made[::-1]


def test_a_taken_down_article_is_gone_from_its_page_and_nothing_else_moves(
    database: Sessions, reader: httpx.Client
) -> None:
    made = bring_out(database, ARCHIVE_LENGTH + LENGTH)
    before = {page.request.url.path: ids_in(page) for page in walk(reader, "/feeds/all.json")}

    with database.begin() as session:
        retract(session, UUID(made[3]), reason=None)

    after = {page.request.url.path: ids_in(page) for page in walk(reader, "/feeds/all.json")}
    assert after == {path: [one for one in ids if one != made[3]] for path, ids in before.items()}


def test_a_page_whose_articles_are_all_gone_still_leads_on(database: Sessions, reader: httpx.Client) -> None:
    made = bring_out(database, 2 * ARCHIVE_LENGTH + LENGTH)
    with database.begin() as session:
        for one in made[ARCHIVE_LENGTH : 2 * ARCHIVE_LENGTH]:
            retract(session, UUID(one), reason=None)

    met = [one for page in walk(reader, "/feeds/all.json") for one in ids_in(page)]

    assert met == [*made[: -LENGTH - 1 : -1], *made[:ARCHIVE_LENGTH][::-1]]


def test_a_full_page_has_the_same_address_whatever_comes(database: Sessions, reader: httpx.Client) -> None:
    bring_out(database, ARCHIVE_LENGTH + LENGTH)
    path = f"/feeds/all/archive/1-{ARCHIVE_LENGTH}.atom"
    before = reader.get(path)

    bring_out(database, ARCHIVE_LENGTH)

    after = reader.get(path, headers={"if-none-match": before.headers["etag"]})
    assert before.status_code == 200
    assert after.status_code == 304
    assert path in {page.request.url.path for page in walk(reader, "/feeds/all.atom")}


@pytest.mark.parametrize("feed_format", [FeedFormat.ATOM, FeedFormat.RSS])
def test_a_page_says_that_it_is_one_and_where_the_feed_is(
    database: Sessions, reader: httpx.Client, feed_format: FeedFormat
) -> None:
    bring_out(database, ARCHIVE_LENGTH + LENGTH)

    feed, page, *_ = (etree.fromstring(one.content) for one in walk(reader, f"/feeds/all.{feed_format}"))

    history = "{http://purl.org/syndication/history/1.0}archive"
    links = {link.get("rel"): link.get("href") for link in page.iter("{http://www.w3.org/2005/Atom}link")}
    assert page.find(f".//{history}") is not None
    assert feed.find(f".//{history}") is None
    assert links["current"] == f"{BASE_URL}/feeds/all.{feed_format}"
    assert links["self"] == f"{BASE_URL}/feeds/all/archive/1-{ARCHIVE_LENGTH}.{feed_format}"


def test_a_feed_that_holds_everything_leads_nowhere(database: Sessions, reader: httpx.Client) -> None:
    bring_out(database, LENGTH)

    assert previous_of(reader.get("/feeds/all.atom")) is None
    assert b"archive" not in reader.get("/feeds/all.atom").content


def test_every_label_has_an_archive_of_its_own(database: Sessions, reader: httpx.Client) -> None:
    made = bring_out(database, ARCHIVE_LENGTH + LENGTH, tags=("Giao thông",))
    bring_out(database, 10)

    met = [one for page in walk(reader, "/feeds/tag/giao-thong.rss") for one in ids_in(page)]

    assert met == made[::-1]


def test_there_is_no_page_of_what_has_not_come_yet(database: Sessions, reader: httpx.Client) -> None:
    bring_out(database, ARCHIVE_LENGTH)

    assert reader.get(f"/feeds/all/archive/1-{ARCHIVE_LENGTH}.atom").status_code == 200
    beyond = f"/feeds/all/archive/{ARCHIVE_LENGTH + 1}-{ARCHIVE_LENGTH + 1}.atom"
    assert reader.get(beyond).status_code == 404
