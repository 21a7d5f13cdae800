"""Private feeds: who has the token reads them, until it is replaced or revoked; nobody else learns of it."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import httpx
import pytest

from feeds.catalog import ARCHIVE_LENGTH, private_urls
from publisher.database import Sessions
from publisher.private_feeds import create_private_feed, revoke_private_feed, rotate_token
from publisher.retract import retract
from publisher.schema import PrivateFeedRow
from tests.readers import reading
from tests.stages.articles import BASE_URL, published, run_feeds

UNKNOWN = (
    "prv_",
    "prv_" + "x" * 43,
    "x",
    "%70rv_x",
    "prv_x%00",
    "prv_" + "a" * 5_000,
    "' OR 1=1--",
    "%2e%2e%2fall",
)


@pytest.fixture
def reader(database: Sessions) -> Iterator[httpx.Client]:
    with reading(database) as client:
        yield client


def bring_out(database: Sessions, number: int = 1, **fields: object) -> str:
    with database.begin() as session:
        identifier = published(session, **{"url": f"https://news.example/{number}", **fields})
        run_feeds(session)
    return str(identifier)


def made(database: Sessions, feed: str = "all") -> tuple[UUID, Mapping[str, str]]:
    """Make a private feed; return its id, and the path of each format."""
    with database.begin() as session:
        private, token = create_private_feed(session, name="Toà soạn báo A", feed=feed)
    return private.id, private_urls("", token)


def ids_in(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [item["id"].rpartition("/")[2] for item in answer.json()["items"]]


@pytest.mark.parametrize("ending", ["atom", "rss", "json"])
def test_whoever_has_the_token_reads_the_feed(database: Sessions, reader: httpx.Client, ending: str) -> None:
    article = bring_out(database, categories=("Xã hội",))
    bring_out(database, 2, categories=("Giao thông",))
    _, paths = made(database, "category/xa-hoi")

    first, again = reader.get(paths[ending]), reader.get(paths[ending])

    assert first.status_code == again.status_code == 200
    assert first.content == again.content
    assert article.encode() in first.content
    assert first.headers["cache-control"] == "private, max-age=0, must-revalidate"
    assert first.headers["x-robots-tag"] == "noindex"
    assert "access-control-allow-origin" not in first.headers
    assert first.headers["link"].startswith(f'<{BASE_URL}{paths[ending]}>; rel="self"')
    assert f"{BASE_URL}{paths[ending]}".encode() in first.content


@pytest.mark.parametrize("token", UNKNOWN)
def test_what_is_no_token_opens_nothing(reader: httpx.Client, token: str) -> None:
    answer = reader.get(f"/feeds/private/{token}.atom")

    assert answer.status_code in (400, 404)


def test_a_replaced_token_is_void_at_once_and_the_new_one_good(
    database: Sessions, reader: httpx.Client
) -> None:
    identifier, paths = made(database)
    before = [reader.get(paths["json"]).status_code for _ in range(2)]

    with database.begin() as session:
        _, token = rotate_token(session, identifier)

    assert before == [200, 200]
    assert reader.get(paths["json"]).status_code == 404
    assert reader.get(private_urls("", token)["json"]).status_code == 200


def test_a_revoked_token_is_void_at_once(database: Sessions, reader: httpx.Client) -> None:
    identifier, paths = made(database)
    tag = reader.get(paths["json"]).headers["etag"]

    with database.begin() as session:
        revoke_private_feed(session, identifier)

    assert reader.get(paths["json"], headers={"if-none-match": tag}).status_code == 404


def test_a_retracted_article_is_gone_at_once(database: Sessions, reader: httpx.Client) -> None:
    kept, gone = bring_out(database, 1), bring_out(database, 2)
    _, paths = made(database)
    before = [ids_in(reader.get(paths["json"])) for _ in range(2)]

    with database.begin() as session:
        retract(session, UUID(gone), reason=None)

    assert before == [[gone, kept]] * 2
    assert ids_in(reader.get(paths["json"])) == [kept]


def test_who_has_the_document_gets_no_body(database: Sessions, reader: httpx.Client) -> None:
    bring_out(database)
    _, paths = made(database)
    tag = reader.get(paths["atom"]).headers["etag"]

    answer = reader.get(paths["atom"], headers={"if-none-match": tag})

    assert (answer.status_code, answer.content) == (304, b"")
    assert answer.headers["cache-control"].startswith("private")


def test_pages_of_the_archive_lie_behind_the_token_as_well(database: Sessions, reader: httpx.Client) -> None:
    with database.begin() as session:
        for number in range(ARCHIVE_LENGTH + 5):
            published(session, url=f"https://news.example/{number}")
        run_feeds(session)
    identifier, paths = made(database)

    page = reader.get(paths["json"]).json()["next_url"].removeprefix(BASE_URL)
    before = reader.get(page)
    with database.begin() as session:
        revoke_private_feed(session, identifier)

    assert page.startswith(paths["json"].removesuffix(".json"))
    assert len(ids_in(before)) == 5
    assert reader.get(page).status_code == 404


def test_many_who_ask_together_get_each_their_own(database: Sessions, reader: httpx.Client) -> None:
    bring_out(database, categories=("A",))
    private = [made(database, feed) for feed in ("all", "category/a") * 8]
    paths = [one["atom"] for _, one in private]
    for path in paths:
        reader.get(path)

    with ThreadPoolExecutor(16) as readers:
        answers = list(readers.map(reader.get, paths * 4))

    assert {answer.status_code for answer in answers} == {200}
    assert all(path.encode() in answer.content for path, answer in zip(paths * 4, answers, strict=True))


def test_scripts_of_other_pages_may_read_none(database: Sessions, reader: httpx.Client) -> None:
    _, paths = made(database)

    asked = [
        reader.options(paths["atom"]),
        reader.get("/feeds/private/prv_void.atom"),
        reader.get(paths["atom"]),
    ]

    assert all("access-control-allow-origin" not in answer.headers for answer in asked)
    assert asked[1].headers["cache-control"].startswith("private")


def test_the_record_holds_no_token(database: Sessions) -> None:
    identifier, paths = made(database)
    token = paths["atom"].rpartition("/")[2].removesuffix(".atom")

    with database() as session:
        row: Any = session.get_one(PrivateFeedRow, identifier)

    assert token.encode() not in b"".join(str(value).encode() for value in vars(row).values())
