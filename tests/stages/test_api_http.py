"""HTTP in general: every error is a problem that names what was wrong, and stores nothing."""

import asyncio
import json
import re
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy import create_engine, event
from structlog.testing import capture_logs

from publisher.access import Scope
from publisher.api.articles import BATCH_PATH
from publisher.ingest.article_in import parse_article
from publisher.ingest.keys import lock_identities, lookup_keys
from tests.stages.api_server import Api, article, running_api
from tests.waiting import eventually
from workers.tracing.spans import Span

LIMIT = 20_000
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def api(postgres_url: str) -> Iterator[Api]:
    with running_api(postgres_url, max_body_bytes=LIMIT) as running:
        yield running


@pytest.fixture(scope="module")
def client(api: Api) -> Iterator[httpx.Client]:
    with api.client(Scope.ADMIN) as one:
        yield one


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    """Return the problem, once it is sure that it is a complete one."""
    assert (status, "application/problem+json") == (answer.status_code, answer.headers["content-type"])
    assert answer.headers["x-content-type-options"] == "nosniff"
    body: dict[str, Any] = answer.json()
    assert {"type", "title", "status", "detail", "errors"} <= body.keys()
    assert body["status"] == status
    return body


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[1,]",
        b"{'title': 1}",
        b"null and void",
        b'{"title": NaN}',
        b'{"title": -Infinity}',
        b'{"title": 1e999}',
        b'{"title": ' + b"9" * 5_000 + b"}",
        b"[" * 15_000,
        b'{"a":' * 3_000,
        "\ufeff{".encode(),
        b"\x00",
    ],
)
def test_what_is_no_json_is_400(api: Api, client: httpx.Client, body: bytes) -> None:
    before = api.stored()

    answer = client.post("/v1/articles", content=body, headers=JSON)

    assert "not JSON" in problem(answer, 400)["detail"]
    assert before == api.stored()


@pytest.mark.parametrize("body", [b'{"title": "\xff"}', '{"title": "ô"}'.encode("utf-16"), b"\xed\xa0\x80"])
def test_what_is_not_utf_8_is_400(api: Api, client: httpx.Client, body: bytes) -> None:
    before = api.stored()

    answer = client.post("/v1/articles", content=body, headers=JSON)

    assert "not UTF-8" in problem(answer, 400)["detail"]
    assert before == api.stored()


def test_a_member_that_occurs_twice_is_refused(client: httpx.Client) -> None:
    answer = client.post("/v1/articles", content=b'{"title": "a", "title": "b"}', headers=JSON)

    assert "'title' occurs twice" in problem(answer, 422)["detail"]


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-ndjson", "application/json; charset=iso-8859-1", "", "application/jsonx"],
)
def test_another_content_type_is_415(api: Api, client: httpx.Client, content_type: str) -> None:
    before = api.stored()

    answer = client.post(
        "/v1/articles", content=json.dumps(article()), headers={"content-type": content_type}
    )

    assert "expected application/json" in problem(answer, 415)["detail"]
    assert before == api.stored()


def test_the_content_type_may_name_utf_8(client: httpx.Client) -> None:
    headers = {"content-type": 'Application/JSON; charset="UTF-8"'}

    assert client.post("/v1/articles", content=json.dumps(article()), headers=headers).status_code == 201


def test_json_at_the_batch_is_415(client: httpx.Client) -> None:
    answer = client.post(BATCH_PATH, json=article())

    assert "expected application/x-ndjson" in problem(answer, 415)["detail"]


def test_a_body_that_says_it_is_too_large_is_413(api: Api, client: httpx.Client) -> None:
    before = api.stored()

    answer = client.post("/v1/articles", json=article(content_text="x" * LIMIT))

    assert "20,000 bytes" in problem(answer, 413)["detail"]
    assert before == api.stored()


def test_a_body_of_just_the_limit_is_read(client: httpx.Client) -> None:
    frame = len(json.dumps(article(content_text="")))
    body = json.dumps(article(content_text="x" * (LIMIT - frame)))

    answer = client.post("/v1/articles", content=body, headers=JSON)

    assert len(body) == LIMIT
    assert answer.status_code == 201


def test_a_chunked_body_is_413_before_it_ends(api: Api) -> None:
    head = (
        "POST /v1/articles HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {api.key(Scope.ADMIN)}\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    chunk = b"1000\r\n" + b" " * 0x1000 + b"\r\n"

    with socket.create_connection(_address(api), timeout=10) as connection:
        connection.sendall(head.encode() + chunk * 6)
        answer = connection.recv(65_536)

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"application/problem+json" in answer


def test_a_declared_size_is_413_before_a_byte_was_sent(api: Api) -> None:
    head = "POST /v1/articles HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999999\r\n\r\n"

    with socket.create_connection(_address(api), timeout=10) as connection:
        connection.sendall(head.encode())
        answer = connection.recv(65_536)

    assert answer.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    "path", ["/nothing", "/v1/nothing", "/v1/articles/", "/v1//articles", "/%00", "/docs/assets/x"]
)
def test_an_unknown_path_is_404(client: httpx.Client, path: str) -> None:
    problem(client.get(path), 404)


def test_another_method_is_405_with_what_is_allowed(client: httpx.Client) -> None:
    answer = client.put("/v1/articles", json={})

    problem(answer, 405)
    assert {"GET", "HEAD", "POST"} == set(answer.headers["allow"].split(", "))


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=many", "limit"),
        ("limit=", "limit"),
        ("cursor=%00", "cursor"),
        ("cursor=abc", "cursor"),
        ("cursor=" + "A" * 500, "cursor"),
        ("cursor=%C3%B4", "cursor"),
        ("status=lost", "status"),
        ("category=" + "x" * 101, "category"),
        ("colour=red", "colour"),
        ("limit=5&LIMIT=5", "LIMIT"),
    ],
)
def test_a_wrong_query_parameter_is_422_and_named(client: httpx.Client, query: str, parameter: str) -> None:
    answer = client.get(f"/v1/articles?{query}")

    assert [parameter] == [one["parameter"] for one in problem(answer, 422)["errors"]]


def test_a_query_where_none_is_known_is_422(client: httpx.Client) -> None:
    answer = client.post("/v1/articles?dry_run=true", json=article())

    assert [one["parameter"] for one in problem(answer, 422)["errors"]] == ["dry_run"]


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/v1/articles", "/docs", "/openapi.json"])
def test_head_is_get_without_a_body(client: httpx.Client, path: str) -> None:
    full = client.get(path)

    head = client.head(path)

    assert (head.status_code, head.content) == (200, b"")
    assert full.headers["content-type"] == head.headers["content-type"]
    assert full.headers["content-length"] == head.headers["content-length"]


def test_head_of_what_is_missing_is_404_without_a_body(client: httpx.Client) -> None:
    answer = client.head("/v1/articles/nothing")

    assert (answer.status_code, answer.content) == (404, b"")


def test_answers_do_not_name_the_server(client: httpx.Client) -> None:
    answer = client.get("/healthz")

    assert "server" not in answer.headers
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_ready_process_says_what_it_checked(client: httpx.Client) -> None:
    answer = client.get("/readyz")

    expected = {"status": "ok", "checks": {"database": "ok", "schema": "ok"}}
    assert (200, expected) == (answer.status_code, answer.json())


def test_without_a_database_it_lives_but_is_not_ready_and_asks_to_come_back() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    nowhere = f"postgresql+psycopg://nobody@127.0.0.1:{port}/nothing"

    with running_api(nowhere) as api, api.client() as client:
        lives = client.get("/healthz")
        ready = client.get("/readyz")
        refused = client.get("/v1/articles", headers={"Authorization": "Bearer pub_" + "x" * 43})

    assert (lives.status_code, lives.json()) == (200, {"status": "ok"})
    assert (ready.status_code, ready.json()["checks"]["database"]) == (503, "cannot be reached")
    assert int(refused.headers["retry-after"]) > 0
    assert "127.0.0.1" not in problem(refused, 503)["detail"]


def test_a_full_pool_is_503_with_retry_after(postgres_url: str) -> None:
    engine = create_engine(postgres_url, pool_size=1, max_overflow=0, pool_timeout=0.2)

    with running_api(postgres_url, engine=engine) as api, api.client(Scope.ADMIN) as client:
        with engine.connect():
            refused = client.get("/v1/articles")
            accepted = client.post("/v1/articles", json=article())
        after = client.get("/v1/articles")

    assert int(refused.headers["retry-after"]) > 0
    problem(refused, 503)
    problem(accepted, 503)
    assert after.status_code == 200


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        ("read_only_sql_transaction", 503),
        ("deadlock_detected", 503),
        ("too_many_connections", 503),
        ("program_limit_exceeded", 500),
        ("not_null_violation", 500),
    ],
)
def test_who_cannot_help_it_is_asked_to_try_again_and_a_bug_is_logged(
    postgres_url: str, caplog: pytest.LogCaptureFixture, condition: str, status: int
) -> None:
    engine = create_engine(postgres_url)

    def refuse(*asked: Any) -> tuple[str, Any]:
        statement, parameters = asked[2:4]
        if not statement.startswith("INSERT INTO article "):
            return statement, parameters
        return f"DO $$ BEGIN RAISE 'x' USING ERRCODE = '{condition}'; END $$", ()

    with running_api(postgres_url, engine=engine) as api, api.client(Scope.ADMIN) as client:
        event.listen(engine, "before_cursor_execute", refuse, retval=True)
        answer = client.post("/v1/articles", json=article())
        labels = {"area": "api", "status": str(status)}
        eventually(lambda: api.registry.get_sample_value("publisher_http_requests_total", labels))

    assert ("retry-after" in answer.headers) == (status == 503)
    assert "x" != problem(answer, status)["detail"]
    if status == 500:  # the server logs it after the metrics have counted it
        eventually(lambda: "Exception in ASGI application" in caplog.text)
    assert ("Exception in ASGI application" in caplog.text) == (status == 500)


def test_a_crowd_is_429_with_retry_after_and_everybody_else_is_answered(api: Api) -> None:
    sent = article()
    key = api.key(Scope.ADMIN)

    async def crowd() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        headers = {"Authorization": f"Bearer {key}"}
        async with httpx.AsyncClient(base_url=api.url, headers=headers, limits=limits, timeout=30) as client:
            with api.sessions.begin() as session:
                lock_identities(session, lookup_keys(parse_article(sent)))
                posts = [asyncio.ensure_future(client.post("/v1/articles", json=sent)) for _ in range(220)]
                await asyncio.wait(posts, return_when=asyncio.FIRST_COMPLETED)
            return await asyncio.gather(*posts)

    answers = asyncio.run(crowd())

    refused = [one for one in answers if one.status_code == 429]
    accepted = [one.json()["outcome"] for one in answers if one.status_code in (200, 201)]
    assert refused
    assert all(int(one.headers["retry-after"]) > 0 for one in refused)
    assert len(answers) == len(refused) + len(accepted)
    assert accepted.count("created") == 1


def test_a_tracer_that_fails_changes_no_answer(postgres_url: str) -> None:
    class Failing:
        def begin(self, name: str, **_: Any) -> Span:
            raise LookupError(name)

        def close(self) -> None:
            pass

    headers = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    with running_api(postgres_url, spans=Failing()) as api, api.client(Scope.ADMIN) as client:
        with capture_logs() as logs:
            accepted = client.post("/v1/articles", json=article(), headers=headers)
        read = client.get("/v1/articles")

    assert (accepted.status_code, read.status_code) == (201, 200)
    (told,) = [one for one in logs if one["event"] == "article.accepted"]
    assert told["traceparent"] == headers["traceparent"]


def test_the_docs_name_the_feeds_as_every_page_does(client: httpx.Client) -> None:
    head = client.get("/docs").text.partition("</head>")[0]

    for ending, kind in (("atom", "atom"), ("rss", "rss"), ("json", "feed")):
        assert f'<link rel="alternate" type="application/{kind}+' in head
        assert f'/feeds/all.{ending}">' in head


def test_the_description_knows_every_route_and_the_page_needs_no_other_host(client: httpx.Client) -> None:
    page = client.get("/docs")
    document = client.get("/openapi.json").json()
    assets = [client.get(f"/docs/assets/{name}") for name in ("swagger-ui-bundle.js", "swagger-ui.css")]

    assert [one.status_code for one in assets] == [200, 200]
    asked_for = re.sub('<link rel="alternate"[^>]*>', "", page.text)
    assert "http://" not in asked_for
    assert "https://" not in asked_for
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert {"/v1/articles", "/v1/articles/{article_id}", BATCH_PATH, "/healthz"} <= document["paths"].keys()
    assert {"ArticleIn", "AcceptedArticle", "Problem"} <= document["components"]["schemas"].keys()
    assert not _dangling(document)


def _dangling(document: dict[str, Any]) -> set[str]:
    names = set(document["components"]["schemas"])
    referred = {part.split('"')[0] for part in json.dumps(document).split("#/components/schemas/")[1:]}
    return referred - names


def _address(api: Api) -> tuple[str, int]:
    url = httpx.URL(api.url)
    assert url.port is not None
    return url.host, url.port
