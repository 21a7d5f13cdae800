"""`/v1/private-feeds` on a real server: made, shown once, replaced, revoked, and what it refuses."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from publisher.access import Scope
from publisher.database import Sessions
from tests.stages.api_server import Api, running_api
from tests.stages.articles import published, run_feeds

BOTH = (Scope.FEEDS_READ, Scope.FEEDS_WRITE)
UNKNOWN = "01890000-0000-7000-8000-000000000000"


@pytest.fixture
def api(postgres_url: str, database: Sessions) -> Iterator[Api]:
    with running_api(postgres_url) as api:
        yield api


@pytest.fixture
def client(api: Api) -> Iterator[httpx.Client]:
    with api.client(*BOTH) as client:
        yield client


def make(client: httpx.Client, **members: Any) -> dict[str, Any]:
    answer = client.post("/v1/private-feeds", json={"name": "Toà soạn báo A", **members})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def opened(api: Api, made: dict[str, Any], ending: str = "atom") -> httpx.Response:
    """Ask for a feed by its address, without any key."""
    with api.client() as nobody:
        return nobody.get(made["urls"][ending].removeprefix(api.settings.base_url))


def test_its_addresses_are_shown_once_and_work(api: Api, client: httpx.Client, database: Sessions) -> None:
    with database.begin() as session:
        identifier = published(session, categories=("Xã hội",))
        run_feeds(session)

    made = make(client, feed="category/xa-hoi")

    one = client.get(f"/v1/private-feeds/{made['id']}").json()
    assert one == {name: value for name, value in made.items() if name != "urls"}
    assert (one["name"], one["feed"], one["revoked_at"]) == ("Toà soạn báo A", "category/xa-hoi", None)
    assert set(made["urls"]) == {"atom", "rss", "json"}
    assert all(str(identifier).encode() in opened(api, made, ending).content for ending in made["urls"])


def test_the_same_request_again_makes_no_second_one(client: httpx.Client) -> None:
    headers = {"idempotency-key": "once"}

    first, again = (
        client.post("/v1/private-feeds", json={"name": "A"}, headers=headers).json() for _ in range(2)
    )

    assert first == again
    assert len(client.get("/v1/private-feeds").json()["data"]) == 1


def test_a_rotation_opens_new_addresses_and_closes_the_old(api: Api, client: httpx.Client) -> None:
    made = make(client)

    rotated = client.post(f"/v1/private-feeds/{made['id']}/rotate").json()

    assert rotated["rotated_at"] is not None
    assert [opened(api, one).status_code for one in (made, rotated)] == [404, 200]


def test_a_revoked_feed_is_unknown_and_stays_in_the_list(api: Api, client: httpx.Client) -> None:
    made = make(client)

    statuses = [client.delete(f"/v1/private-feeds/{made['id']}").status_code for _ in range(2)]

    assert statuses == [204, 204]
    assert opened(api, made).status_code == 404
    (shown,) = client.get("/v1/private-feeds").json()["data"]
    assert shown["revoked_at"] is not None
    assert client.post(f"/v1/private-feeds/{made['id']}/rotate").status_code == 404


def test_they_are_listed_newest_first_page_by_page(client: httpx.Client) -> None:
    made = [make(client, name=str(number))["id"] for number in range(5)]

    first = client.get("/v1/private-feeds", params={"limit": 3}).json()
    rest = client.get("/v1/private-feeds", params={"limit": 3, "cursor": first["next_cursor"]}).json()

    assert [one["id"] for one in first["data"] + rest["data"]] == made[::-1]
    assert (first["has_more"], rest["has_more"]) == (True, False)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/name"),
        ({"name": ""}, "/name"),
        ({"name": "x" * 101}, "/name"),
        ({"name": 5}, "/name"),
        ({"name": "A", "feed": "category/the-gioi"}, "/feed"),
        ({"name": "A", "feed": "planet/mars"}, "/feed"),
        ({"name": "A", "feed": "all/x"}, "/feed"),
        ({"name": "A", "feed": "' OR 1=1--"}, "/feed"),
        ({"name": "A", "feed": "\x00"}, "/feed"),
        ({"name": "A", "feed": "\x00/a"}, "/feed"),
        ({"name": "A", "feed": "tag/\x00"}, "/feed"),
        ({"name": "A", "feed": "x" * 100_000}, "/feed"),
        ({"name": "A", "feed": None}, "/feed"),
        ({"name": "A", "token": "prv_mine"}, "/token"),
    ],
)
def test_what_is_no_private_feed_is_refused_by_name(
    client: httpx.Client, body: dict[str, Any], pointer: str
) -> None:
    answer = client.post("/v1/private-feeds", json=body)

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert [one["pointer"] for one in answer.json()["errors"]] == [pointer]
    assert client.get("/v1/private-feeds").json()["data"] == []


def test_scopes_are_needed(api: Api) -> None:
    with api.client(Scope.FEEDS_READ) as reader, api.client(Scope.ARTICLES_READ) as other:
        assert reader.post("/v1/private-feeds", json={"name": "A"}).status_code == 403
        assert reader.delete(f"/v1/private-feeds/{UNKNOWN}").status_code == 403
        assert other.get("/v1/private-feeds").status_code == 403


@pytest.mark.parametrize("identifier", [UNKNOWN, "x"])
def test_what_is_unknown_is_not_found(client: httpx.Client, identifier: str) -> None:
    assert client.get(f"/v1/private-feeds/{identifier}").status_code == 404
    assert client.delete(f"/v1/private-feeds/{identifier}").status_code == 404
    assert client.post(f"/v1/private-feeds/{identifier}/rotate").status_code == 404
