"""A web process that is told to end loses no request: who has connected is answered, others are refused.

Only so may a proxy in front of it send what was refused to the next replica, POSTs too.

Guards: `HttpServer.shutdown` hears out connections that are made; `_ignore_new_connections` lets none begin
between the last look at those that wait and the end of listening.
"""

import json
import os
import signal
import socket
import threading
from collections import Counter
from contextlib import ExitStack
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from publisher.access import create_key
from publisher.schema import ArticleRow
from tests.free_ports import free_port
from tests.pipeline.forked import Forked
from tests.pipeline.system import System
from tests.waiting import eventually

CLIENTS = 16
Address = tuple[str, int]


@pytest.fixture
def web(system: System) -> tuple[Forked, Address]:
    """A web process that answers, and its address."""
    address = ("127.0.0.1", free_port())
    child = system.start("web", "--port", str(address[1]))
    eventually(lambda: answer(address, get("/readyz")) == 200, within_s=20)
    return child, address


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: news.example\r\n\r\n".encode()


def post(number: int, key: str) -> bytes:
    article = {"url": f"https://news.example/{number}", "title": "Bài", "content_text": "Nội dung."}
    body = json.dumps(article).encode()
    return (
        f"POST /v1/articles HTTP/1.1\r\nHost: news.example\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def answer(address: Address, request: bytes) -> int | None:
    """Return the status that a new connection gets, 0 if there is no answer, None if it is refused."""
    try:
        connection = socket.create_connection(address, timeout=20)
    except OSError:
        return None
    with connection:
        return heard(connection, request)


def heard(connection: socket.socket, request: bytes) -> int:
    """Return the status that a connection gets, 0 if there is no answer."""
    try:
        connection.sendall(request)
        start = connection.recv(20)
    except OSError:
        return 0
    return int(start.split()[1]) if start else 0


def test_whoever_has_connected_is_answered_even_when_nobody_else_can_connect(
    web: tuple[Forked, Address],
) -> None:
    child, address = web
    with ExitStack() as stack:
        connected = [stack.enter_context(socket.create_connection(address, timeout=20)) for _ in range(5)]

        os.kill(child.pid, signal.SIGTERM)
        eventually(lambda: answer(address, get("/healthz")) is None)
        answers = [heard(connection, get("/healthz")) for connection in connected]

        assert answers == [200] * 5
        child.wait(within=timedelta(seconds=15))


def test_no_request_that_was_sent_is_lost_while_many_come_in(
    system: System, web: tuple[Forked, Address]
) -> None:
    child, address = web
    with system.sessions.begin() as session:
        _, key = create_key(session, name="tests", scopes=["articles:write"])
    answers: list[int] = []
    accepted = iter(range(1_000_000))

    def send_until_refused(number: int) -> None:
        request = get("/healthz") if number else post(next(accepted), key)
        while (status := answer(address, request)) is not None:
            answers.append(status)
            request = request if number else post(next(accepted), key)

    clients = [threading.Thread(target=send_until_refused, args=(number,)) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    eventually(lambda: len(answers) > 20 * CLIENTS, within_s=20)

    os.kill(child.pid, signal.SIGTERM)
    for client in clients:
        client.join()

    assert set(Counter(answers)) == {200, 201}
    with system.sessions() as session:
        assert session.scalar(select(func.count()).select_from(ArticleRow)) == answers.count(201)
