"""Many articles in one request: a line out for each line in, whatever is in it."""

import json
import socket
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from publisher.access import Scope
from publisher.api.articles import BATCH_PATH
from tests.stages.api_server import Api, article, running_api

NDJSON = {"content-type": "application/x-ndjson"}


@pytest.fixture(scope="module")
def api(postgres_url: str) -> Iterator[Api]:
    with running_api(postgres_url) as running:
        yield running


@pytest.fixture(scope="module")
def client(api: Api) -> Iterator[httpx.Client]:
    with api.client(Scope.ARTICLES_WRITE) as one:
        yield one


def line(**members: Any) -> bytes:
    """Return an article as a line without its end."""
    return json.dumps(article(**members), ensure_ascii=False).encode()


def answers(client: httpx.Client, content: bytes) -> list[dict[str, Any]]:
    """Send lines; return what came back, a mapping a line."""
    answer = client.post(BATCH_PATH, content=content, headers=NDJSON)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-ndjson")
    return [json.loads(one) for one in answer.text.splitlines()]


def test_each_line_has_its_answer_in_order(api: Api, client: httpx.Client) -> None:
    before = api.stored()["articles"] or 0
    twice = line()
    lines = [line() for _ in range(250)] + [twice, twice]

    found = answers(client, b"\n".join(lines) + b"\n")

    assert [one["line"] for one in found] == list(range(1, 253))
    assert [one["outcome"] for one in found] == ["created"] * 251 + ["unchanged"]
    assert found[-1]["id"] == found[-2]["id"]
    assert set(found[0]) == {"line", "outcome", "id", "uri", "sequence"}
    assert api.stored()["articles"] == before + 251


def test_a_bad_line_harms_no_other(api: Api, client: httpx.Client) -> None:
    before = api.stored()["articles"] or 0
    retracted = article()
    with api.client(Scope.ADMIN) as other:
        identifier = other.post("/v1/articles", json=retracted).json()["id"]
        other.delete(f"/v1/articles/{identifier}")
    bad = {
        b"{": 400,
        b'{"title": "\xff"}': 400,
        b"": 400,
        b"[]": 422,
        b"[" * 50_000: 400,
        b'{"title": "a", "title": "b"}': 422,
        line(title=""): 422,
        line(colour="red"): 422,
        line(url="javascript:alert(1)"): 422,
        b'{"guid": "x", "title": "\\ud800", "content_text": "\\u0000"}': 422,
        line(content_text="x" * 3_000_000): 413,
        json.dumps(retracted).encode(): 409,
    }
    content = b"".join(line() + b"\n" + one + b"\n" for one in bad) + line()

    found = answers(client, content)

    assert [one["line"] for one in found] == list(range(1, 2 * len(bad) + 2))
    assert [one["outcome"] for one in found[::2]] == ["created"] * (len(bad) + 1)
    assert [one["error"]["status"] for one in found[1::2]] == list(bad.values())
    assert found[-2]["error"]["article"] == identifier
    assert api.stored()["articles"] == before + 1 + len(bad) + 1


def test_an_empty_batch_has_no_answers(client: httpx.Client) -> None:
    assert answers(client, b"") == []


def test_windows_line_ends_and_a_missing_last_one_are_fine(client: httpx.Client) -> None:
    found = answers(client, line() + b"\r\n" + line())

    assert [one["outcome"] for one in found] == ["created", "created"]


def test_a_batch_may_be_larger_than_a_body(client: httpx.Client) -> None:
    found = answers(client, b"\n".join(line(content_text="Nước lên. " * 40_000) for _ in range(6)))

    assert [one["outcome"] for one in found] == ["created"] * 6


def test_a_batch_needs_the_scope(api: Api) -> None:
    before = api.stored()

    with api.client(Scope.ARTICLES_READ) as reader:
        answer = reader.post(BATCH_PATH, content=line(), headers=NDJSON)

    assert answer.status_code == 403
    assert before == api.stored()


def test_answers_come_while_lines_still_go_in(api: Api) -> None:
    with _connected(api) as connection:
        connection.sendall(_chunk(line() + b"\n" + line() + b"\n" + line()[:20]))
        first = _read_lines(connection, 2)
        connection.sendall(_chunk(b"rest\n") + b"0\r\n\r\n")
        last = _read_lines(connection, 1)

    assert [one["outcome"] for one in first] == ["created", "created"]
    assert last[0]["error"]["status"] == 400


def test_what_was_answered_is_kept_when_the_client_goes_away(api: Api) -> None:
    guid = f"test:{uuid4()}"

    with _connected(api) as connection:
        connection.sendall(_chunk(line(guid=guid) + b"\n" + b'{"guid": "half'))
        _read_lines(connection, 1)

    with api.client(Scope.ADMIN) as other:
        again = other.post("/v1/articles", json=article(guid=guid))
    assert (again.status_code, again.json()["outcome"]) == (200, "unchanged")


def test_a_client_may_send_everything_before_it_reads(api: Api) -> None:
    count = 20_000
    with _connected(api) as connection:
        for _ in range(count // 100):
            connection.sendall(_chunk(b'{"title":1}\n' * 100))
        connection.sendall(b"0\r\n\r\n")
        found = _read_lines(connection, count)

    assert [one["line"] for one in found] == list(range(1, count + 1))


def _connected(api: Api) -> socket.socket:
    url = httpx.URL(api.url)
    connection = socket.create_connection((url.host, url.port or 0), timeout=30)
    head = (
        f"POST {BATCH_PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\n"
        f"Authorization: Bearer {api.key(Scope.ARTICLES_WRITE)}\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    connection.sendall(head.encode())
    return connection


def _chunk(content: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(content), content)


def _read_lines(connection: socket.socket, count: int) -> list[dict[str, Any]]:
    """Read until so many lines of answers have come; the frame of HTTP is looked over."""
    received = b""
    deadline = time.monotonic() + 60
    while received.count(b'{"line":') < count or not received.endswith(b"\n"):
        assert time.monotonic() < deadline
        part = connection.recv(1 << 20)
        assert part, received[-500:]
        received += part
    return [json.loads(one) for one in received.split(b"\n") if one.startswith(b'{"line":')]
