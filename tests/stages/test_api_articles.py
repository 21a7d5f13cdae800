"""Articles over HTTP: sent in, read, listed, taken down."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import insert, update

from publisher.access import Scope
from publisher.api import accepting
from publisher.ids import new_id
from publisher.ingest.article_in import parse_article
from publisher.ingest.keys import lock_identities, lookup_keys
from publisher.schema import ArticleLabelRow, ArticleRow, EventTaskRow, LabelRow
from tests.databases import until_somebody_waits
from tests.stages.api_server import Api, article, running_api

_MEMBERS = """
    id uri sequence status stuck url guid link slug title summary content_html content_text authors categories
    tags places language images source related word_count reading_minutes published updated visible_from
    received_at
"""
JSON = {"content-type": "application/json"}
MEMBERS = set(_MEMBERS.split())


@pytest.fixture(scope="module")
def api(postgres_url: str) -> Iterator[Api]:
    with running_api(postgres_url) as running:
        yield running


@pytest.fixture(scope="module")
def client(api: Api) -> Iterator[httpx.Client]:
    with api.client(Scope.ARTICLES_READ, Scope.ARTICLES_WRITE) as one:
        yield one


def sent(client: httpx.Client, **members: Any) -> dict[str, Any]:
    """Send a new article in; return the answer."""
    answer = client.post("/v1/articles", json=article(**members))
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


def test_a_new_article_is_created_and_found_at_its_location(client: httpx.Client) -> None:
    given = article(
        url=f"https://news.example.org/{uuid4()}",
        summary="Nước lên.",
        language="vi",
        authors=[{"name": "Lan Hương", "email": "lan@example.org"}],
        categories=["Xã hội"],
        tags=["mưa"],
        places=["Đà Nẵng", "da nang"],
        images=[{"url": "https://news.example.org/1.jpg", "alt": "Nước"}],
        source={"name": "example.org"},
        related=[{"title": "Bão", "published": "2021-11-22T00:00:00+07:00"}],
        published="2021-11-23T08:52:00+07:00",
    )

    answer = client.post("/v1/articles", json=given)
    found = client.get(answer.headers["location"])

    body = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/v1/articles/{body['id']}"
    assert set(body) == MEMBERS | {"outcome", "warnings"}
    assert (body.pop("outcome"), body.pop("warnings")) == ("created", [])
    assert found.json() == body
    assert (body["sequence"], body["status"], body["stuck"]) == (1, "received", False)
    assert body["uri"] == f"tag:news.example.org,{body['received_at'][:10]}:article/{body['id']}"
    assert body["published"] == "2021-11-23T01:52:00Z"
    assert body["categories"] == [{"term": "xa-hoi", "label": "Xã hội"}]
    assert body["places"] == ["Đà Nẵng"]
    assert body["link"] == given["url"]
    assert {name: body[name] for name in ("title", "url", "guid", "summary", "tags", "content_text")} == {
        name: given[name] for name in ("title", "url", "guid", "summary", "tags", "content_text")
    }


def test_without_a_url_the_link_is_our_own_page(client: httpx.Client) -> None:
    body = sent(client)

    assert body["link"] == f"https://news.example.org/articles/{body['id']}"


def test_the_same_content_changes_nothing_and_other_content_is_a_revision(client: httpx.Client) -> None:
    first = article(published="2021-11-23T08:52:00+07:00")

    answers = [
        client.post("/v1/articles", json=one)
        for one in (first, first, {**first, "title": "Sửa", "published": "2022-01-01T00:00:00Z"})
    ]

    bodies = [answer.json() for answer in answers]
    assert [answer.status_code for answer in answers] == [201, 200, 200]
    assert [body["outcome"] for body in bodies] == ["created", "unchanged", "revised"]
    assert [body["sequence"] for body in bodies] == [1, 1, 2]
    assert {body["id"] for body in bodies} == {bodies[0]["id"]}
    assert {body["published"] for body in bodies} == {"2021-11-23T01:52:00Z"}
    assert {answer.headers["location"] for answer in answers} == {answers[0].headers["location"]}


def test_what_was_removed_is_named(client: httpx.Client) -> None:
    body = sent(
        client,
        title="Mưa\u0007 lớn",
        content_text=None,
        content_html="<p onclick='x()'>Nước</p><script>alert(1)</script>",
    )

    assert body["title"] == "Mưa lớn"
    assert "script" not in body["content_html"]
    assert "onclick" not in body["content_html"]
    assert any("title" in warning for warning in body["warnings"])
    assert any("script" in warning for warning in body["warnings"])


@pytest.mark.parametrize(
    ("members", "pointers"),
    [
        ({"guid": None}, {"", "/url", "/guid"}),
        ({"title": ""}, {"/title"}),
        ({"title": " \u0007 "}, {"/title"}),
        ({"title": 5}, {"/title"}),
        ({"title": None}, {"/title"}),
        ({"content_text": None}, {"", "/content_html", "/content_text"}),
        ({"content_html": "<p>x</p>"}, {"", "/content_html", "/content_text"}),
        ({"colour": "red"}, {"/colour"}),
        ({"a/b~c": 1}, {"/a~1b~0c"}),
        ({"url": "javascript:alert(1)"}, {"/url"}),
        ({"url": "https://news.example.org/\u0001"}, {"/url"}),
        ({"guid": "a\u0000b"}, {"/guid"}),
        ({"guid": "\ud800"}, {"/guid"}),
        ({"images": [{"url": "https://a.example/1.jpg"}, {"url": "data:x"}]}, {"/images/1/url"}),
        ({"images": [{"url": "https://a.example/1.jpg", "size": 3}]}, {"/images/0/size"}),
        ({"authors": [{"email": "a@example.org"}]}, {"/authors/0/name"}),
        ({"published": "2021-11-23T08:52:00"}, {"/published"}),
        ({"published": "23/11/2021"}, {"/published"}),
        ({"published": "2021-02-30T00:00:00Z"}, {"/published"}),
        ({"visible_from": "9999-12-31T23:59:59Z"}, {"/visible_from"}),
        ({"visible_from": 1637657520}, {"/visible_from"}),
        ({"language": "tiếng Việt"}, {"/language"}),
        ({"notify": "yes"}, {"/notify"}),
        ({"tags": "mưa"}, {"/tags"}),
        ({"places": ["Huế", 5]}, {"/places/1"}),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_stored(
    api: Api, client: httpx.Client, members: dict[str, Any], pointers: set[str]
) -> None:
    before = api.stored()
    given = {name: value for name, value in article(**members).items() if value is not None}

    answer = client.post("/v1/articles", content=json.dumps(given), headers=JSON)

    problem = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert {one["pointer"] for one in problem["errors"]} <= pointers
    assert problem["errors"]
    assert all(one["detail"] for one in problem["errors"])
    assert problem["detail"]
    assert before == api.stored()


@pytest.mark.parametrize("body", ["[]", "null", "1", '"text"', "true"])
def test_what_is_no_object_is_422(api: Api, client: httpx.Client, body: str) -> None:
    before = api.stored()

    answer = client.post("/v1/articles", content=body, headers={"content-type": "application/json"})

    assert answer.status_code == 422
    assert before == api.stored()


def test_thousands_of_unknown_members_make_no_endless_answer(client: httpx.Client) -> None:
    answer = client.post("/v1/articles", json=article(**{"x" * 500 + str(i): i for i in range(3_000)}))

    assert answer.status_code == 422
    assert len(answer.content) < 100_000


@pytest.mark.parametrize(
    "identifier",
    [
        "nothing",
        "0f8fad5b-d9cb-469f-a165-70867728950e",
        "0",
        "%F0%9F%98%80",
        "{7c9e6679-7425-40de-944b-e07fc1f90ae7}",
        "x" * 999,
    ],
)
def test_an_unknown_id_is_404(client: httpx.Client, identifier: str) -> None:
    answers = [client.get(f"/v1/articles/{identifier}"), client.delete(f"/v1/articles/{identifier}")]

    assert [answer.status_code for answer in answers] == [404, 404]
    assert {answer.headers["content-type"] for answer in answers} == {"application/problem+json"}


def test_an_id_may_be_written_in_capitals(client: httpx.Client) -> None:
    body = sent(client)

    answer = client.get(f"/v1/articles/{body['id'].upper()}")

    assert answer.json()["id"] == body["id"]


def test_a_retracted_article_is_gone_and_stays_so(api: Api, client: httpx.Client) -> None:
    body = sent(client)
    path = f"/v1/articles/{body['id']}"

    first = client.delete(path, params={"reason": "Sai sự thật"})
    events = api.stored()["events"]
    again = client.delete(path)
    read = client.get(path)

    assert (first.status_code, first.json()["status"], first.json()["sequence"]) == (200, "retracted", 2)
    assert (again.status_code, again.json()) == (200, first.json())
    assert events == api.stored()["events"]
    assert (read.status_code, read.headers["content-type"]) == (410, "application/problem+json")


def test_a_retracted_article_comes_back_only_if_it_is_restored(client: httpx.Client) -> None:
    given = article()
    body = client.post("/v1/articles", json=given).json()
    client.delete(f"/v1/articles/{body['id']}")

    refused = client.post("/v1/articles", json=given)
    restored = client.post("/v1/articles", json={**given, "restore": True})

    assert (refused.status_code, refused.json()["status"]) == (409, 409)
    assert refused.json()["article"] == body["id"]
    assert (restored.status_code, restored.json()["outcome"]) == (200, "restored")
    assert restored.json()["sequence"] == 3
    assert client.get(f"/v1/articles/{body['id']}").status_code == 200


def test_identities_of_two_articles_are_a_conflict(api: Api, client: httpx.Client) -> None:
    first = sent(client)
    url = f"https://news.example.org/{uuid4()}"
    sent(client, url=url)
    before = api.stored()

    answer = client.post("/v1/articles", json=article(guid=first["guid"], url=url))

    assert answer.status_code == 409
    assert before == api.stored()


def test_a_reason_is_at_most_500_characters(client: httpx.Client) -> None:
    body = sent(client)

    answer = client.delete(f"/v1/articles/{body['id']}", params={"reason": "x" * 501})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["parameter"] == "reason"
    assert client.get(f"/v1/articles/{body['id']}").json()["status"] == "received"


def test_a_list_is_stable_while_others_write(client: httpx.Client) -> None:
    made = [sent(client)["id"] for _ in range(9)]
    pages = [client.get("/v1/articles", params={"limit": 3}).json()]

    for _ in range(2):
        sent(client)
        pages.append(
            client.get("/v1/articles", params={"limit": 3, "cursor": pages[-1]["next_cursor"]}).json()
        )

    listed = [one["id"] for page in pages for one in page["data"]]
    assert listed == list(reversed(made))
    assert all(page["has_more"] for page in pages[:2])


def test_the_last_page_says_so(client: httpx.Client) -> None:
    sent(client)
    newest = sent(client)["id"]
    cursor = client.get("/v1/articles", params={"limit": 1}).json()["next_cursor"]
    while cursor:
        page = client.get("/v1/articles", params={"limit": 100, "cursor": cursor}).json()
        cursor = page["next_cursor"]

    assert (page["has_more"], page["next_cursor"]) == (False, None)
    assert newest not in {one["id"] for one in page["data"]}


def test_a_list_is_filtered_by_status(api: Api, client: httpx.Client) -> None:
    waiting, scheduled = sent(client)["id"], sent(client)["id"]
    with api.sessions.begin() as session:
        session.execute(update(ArticleRow).where(ArticleRow.id == UUID(scheduled)).values(status="scheduled"))

    listed = client.get("/v1/articles", params={"status": "scheduled", "limit": 100}).json()["data"]

    assert {one["status"] for one in listed} == {"scheduled"}
    assert scheduled in {one["id"] for one in listed}
    assert waiting not in {one["id"] for one in listed}


@pytest.mark.parametrize("spelling", ["thoi-tiet", "Thời tiết", "THỜI  TIẾT"])
def test_a_list_is_filtered_by_category_however_it_is_written(
    api: Api, client: httpx.Client, spelling: str
) -> None:
    bearing, other = sent(client), sent(client)
    with api.sessions.begin() as session:
        label = session.query(LabelRow.id).filter_by(kind="category", slug="thoi-tiet").scalar()
        if label is None:
            label = new_id()
            session.execute(
                insert(LabelRow).values(id=label, kind="category", slug="thoi-tiet", term="Thời tiết")
            )
        session.execute(
            insert(ArticleLabelRow).values(
                article_id=UUID(bearing["id"]), label_id=label, first_visible_at=bearing["received_at"]
            )
        )

    listed = client.get("/v1/articles", params={"category": spelling, "limit": 100}).json()["data"]

    assert bearing["id"] in {one["id"] for one in listed}
    assert other["id"] not in {one["id"] for one in listed}


def test_an_unknown_category_has_no_articles(client: httpx.Client) -> None:
    answer = client.get("/v1/articles", params={"category": "khong-co"})

    assert (answer.status_code, answer.json()["data"]) == (200, [])


def test_a_stuck_article_says_so(api: Api, client: httpx.Client) -> None:
    body = sent(client)
    with api.sessions.begin() as session:
        session.execute(
            update(EventTaskRow).where(EventTaskRow.subject == UUID(body["id"])).values(stuck=True)
        )

    assert client.get(f"/v1/articles/{body['id']}").json()["stuck"] is True


def test_an_article_that_waits_for_a_lock_keeps_nobody_else_waiting(api: Api, client: httpx.Client) -> None:
    locked = article()

    with ThreadPoolExecutor(1) as aside:
        with api.sessions.begin() as session:
            lock_identities(session, lookup_keys(parse_article(locked)))
            waiting = aside.submit(client.post, "/v1/articles", json=locked)
            until_somebody_waits(api.sessions)
            others = [sent(client)["outcome"] for _ in range(3)]
            still_waiting = not waiting.done()
        answer = waiting.result(timeout=20)

    assert others == ["created"] * 3
    assert still_waiting
    assert answer.status_code == 201


def test_who_waits_too_long_behind_others_is_sent_away_and_nothing_of_it_is_stored(
    api: Api, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accepting, "_LONGEST_WAIT_S", 0.2)
    monkeypatch.setattr(accepting, "_MOST_TRANSACTIONS", 1)
    locked, behind = article(), article()

    with ThreadPoolExecutor(1) as aside:
        with api.sessions.begin() as session:
            lock_identities(session, lookup_keys(parse_article(locked)))
            waiting = aside.submit(client.post, "/v1/articles", json=locked)
            until_somebody_waits(api.sessions)
            refused = client.post("/v1/articles", json=behind)
        assert waiting.result(timeout=20).status_code == 201

    assert (refused.status_code, refused.headers["retry-after"]) == (503, "2")
    assert "this one was not" in refused.json()["detail"]
    assert sent(client, **behind)["outcome"] == "created"


def test_what_was_begun_is_answered_when_the_server_stops(postgres_url: str) -> None:
    given = article()

    with ThreadPoolExecutor(2) as aside, ExitStack() as running:
        api = running.enter_context(running_api(postgres_url))
        client = running.enter_context(api.client(Scope.ADMIN))
        with api.sessions.begin() as session:
            lock_identities(session, lookup_keys(parse_article(given)))
            waiting = aside.submit(client.post, "/v1/articles", json=given)
            until_somebody_waits(api.sessions)
            api.stop()
        answer = waiting.result(timeout=20)

    assert answer.status_code == 201


def test_an_article_of_nearly_two_megabytes_is_taken(client: httpx.Client) -> None:
    body = sent(client, content_text="Nước lên. " * 120_000)

    assert body["outcome"] == "created"


def test_nobody_waits_for_ever_when_a_bug_comes_between_commit_and_answer(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raise_it(*_: object, **__: object) -> None:
        raise ValueError("a bug")

    one = article()
    with api.client(Scope.ARTICLES_WRITE) as client, monkeypatch.context() as broken:
        broken.setattr("publisher.api.accepting.report_accepted", raise_it)
        first = client.post("/v1/articles", json=one)
    # The server closes a connection after such an answer.
    with api.client(Scope.ARTICLES_WRITE) as client:
        again = client.post("/v1/articles", json=one)

    assert first.status_code == 500
    assert (again.status_code, again.json()["outcome"]) == (200, "unchanged")
