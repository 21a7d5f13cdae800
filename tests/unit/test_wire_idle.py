"""Connections that wait for a next request: how long, and how many (real sockets on loopback)."""

import asyncio
import socket
import ssl
import threading
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from publisher.notify.outcome import Answer
from publisher.notify.wire import idle
from tests.certificates import self_signed
from tests.unit.scripted import OK, Receiver, answering, receiver
from tests.unit.wire import LoopFactory, client, eventually, on_both_loops, open_sockets, run, send


@on_both_loops
def test_nobody_waits_longer_than_is_good(loop: LoopFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idle, "IDLE_S", 0.2)

    async def scenario() -> float:
        async with receiver(answering(OK)) as it, client() as made:
            clock = asyncio.get_running_loop().time
            await send(it.url(), by=made)
            await asyncio.sleep(0.03)
            await send(it.url(), by=made)
            started = clock()
            await eventually(lambda: it.closed == it.opened)
            return clock() - started

    assert 0.15 < run(scenario(), loop=loop) < 0.3


def test_a_connection_that_waited_too_long_is_not_written_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idle, "IDLE_S", 0.4)

    async def scenario() -> Receiver:
        async with receiver(answering(OK)) as it, client() as made:
            await send(it.url(host="localhost"), by=made)
            await asyncio.sleep(0.05)
            await send(it.url(), by=made)
            await asyncio.sleep(0.42)  # the sweep comes at 0.4 and 0.5 s, each time too early or too late
            await send(it.url(), by=made)
            return it

    assert run(scenario()).opened == 3


@on_both_loops
def test_of_many_that_wait_the_oldest_goes_first(loop: LoopFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idle, "MOST", 3)

    async def scenario() -> list[int]:
        async with receiver(answering(OK), host="0.0.0.0") as it, client() as made:
            opened = []
            for last in (1, 2, 3, 1, 4, 1, 3, 4, 2):
                await send(it.url(host=f"127.0.0.{last}"), by=made)
                opened.append(it.opened)
            await eventually(lambda: it.opened - it.closed == 3)
            return opened

    assert run(scenario(), loop=loop) == [1, 2, 3, 3, 4, 4, 4, 4, 5]


@on_both_loops
def test_a_receiver_that_says_no_farewell_holds_no_connection(
    loop: LoopFactory, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(idle, "IDLE_S", 0.1)
    certificate = self_signed(tmp_path / "both.pem", until=timedelta(days=1))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    held: list[ssl.SSLSocket] = []

    def serve(server: socket.socket) -> None:
        with suppress(OSError):
            while True:
                held.append(tls.wrap_socket(server.accept()[0], server_side=True))
                held[-1].recv(65536)
                held[-1].sendall(OK)

    async def scenario(server: socket.socket) -> list[Answer]:
        url = f"https://127.0.0.1:{server.getsockname()[1]}/"
        async with client(tls=ssl.create_default_context(cafile=str(certificate))) as made:
            before = open_sockets()
            answers = await asyncio.gather(*(send(url, by=made) for _ in range(3)))
            await eventually(lambda: open_sockets() - before == len(held))
            return answers

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, args=(server,), daemon=True).start()
        answers = run(scenario(server), loop=loop)
        server.shutdown(socket.SHUT_RDWR)
    for connection in held:
        connection.close()

    assert [answer.status for answer in answers] == [200] * 3


@on_both_loops
def test_what_comes_back_after_the_end_is_not_kept(loop: LoopFactory) -> None:
    async def scenario() -> Answer:
        async with receiver(answering(b"", OK, pause_s=0.05)) as it:
            async with client() as made:
                sending = asyncio.ensure_future(send(it.url(), by=made))
                await eventually(lambda: len(it.requests) == 1)
            answer = await sending
            await asyncio.sleep(0.1)
            assert it.closed == 1
            return answer

    assert run(scenario(), loop=loop).status == 200
