"""Exchanges leave nothing behind: no socket, no task, no connection in memory, wherever they end."""

import asyncio
import gc
import socket
import ssl
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta

import pytest

from publisher.notify.outcome import ErrorKind
from publisher.notify.wire import dialling
from publisher.notify.wire.connection import Connection
from tests.certificates import self_signed
from tests.unit.scripted import (
    OK,
    Behaviour,
    Reader,
    Writer,
    answering,
    for_ever,
    hang_up,
    receiver,
)
from tests.unit.wire import LoopFactory, client, eventually, on_both_loops, open_sockets, run, send

HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return what a receiver shows, and what trusts it."""
    certificate = self_signed(tmp_path_factory.mktemp("tls") / "both.pem", until=timedelta(days=1))
    showing = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    showing.load_cert_chain(certificate)
    return showing, ssl.create_default_context(cafile=str(certificate))


@contextmanager
def unconnectable() -> Iterator[int]:
    """Yield the port of a server whose queue is full: what connects to it waits."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(server.getsockname())
        yield server.getsockname()[1]
        for one in waiting:
            one.close()


@contextmanager
def silent() -> Iterator[int]:
    """Yield the port of a server that accepts and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["127.0.0.1", "127.0.0.1"]])
@pytest.mark.parametrize(("server", "scheme"), [(unconnectable, "http"), (silent, "http"), (silent, "https")])
@on_both_loops
def test_who_does_not_connect_in_time_holds_no_socket(
    loop: LoopFactory, server: Callable[[], "contextmanager[int]"], scheme: str, addresses: list[str]
) -> None:
    async def scenario(port: int) -> None:
        async with client(lookup=lambda _: addresses) as made:
            before = open_sockets()
            answer = await send(f"{scheme}://slow.example:{port}/", by=made, deadline_s=0.1)
            assert answer.error is ErrorKind.TIMEOUT
            await eventually(lambda: open_sockets() == before)

    with server() as port:
        run(scenario(port), loop=loop)


ENDS: dict[str, Behaviour] = {
    "silence": for_ever(b"", pause_s=60),
    "head": for_ever(b"x: y\r\n", after=HEAD, pause_s=0.05),
    "body": for_ever(b"x", after=HEAD + b"content-length: 9000\r\n\r\n", pause_s=0.05),
    "until close": for_ever(b"x", after=HEAD + b"\r\n", pause_s=0.05),
    "endless": for_ever(b"x" * 65536, after=HEAD + b"\r\n"),
    "garbage": answering(b"x"),
    "hang up": hang_up,
    "whole": answering(OK),
}


@pytest.mark.parametrize("name", ENDS)
@pytest.mark.parametrize("scheme", ["http", "https"])
@on_both_loops
def test_wherever_an_exchange_ends_no_socket_stays_open(
    loop: LoopFactory, scheme: str, name: str, tls: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    showing, trusting = tls

    async def scenario() -> None:
        async with receiver(ENDS[name], tls=showing if scheme == "https" else None) as it:
            before = open_sockets()
            async with client(tls=trusting) as made:
                await asyncio.gather(
                    *(send(it.url(scheme=scheme), by=made, deadline_s=0.2) for _ in range(3))
                )
            await eventually(lambda: open_sockets() - before <= it.opened - it.closed)

    run(scenario(), loop=loop)


@pytest.mark.parametrize("scheme", ["http", "https"])
@on_both_loops
def test_whenever_an_exchange_is_cancelled_no_socket_stays_open(
    loop: LoopFactory, scheme: str, tls: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    """After every number of turns of the loop that an exchange takes, on new connections and old."""
    showing, trusting = tls
    in_steps = answering(HEAD, b"content-length: 2\r\n\r\n", b"ok", pause_s=0.001)

    async def slow(reader: Reader, writer: Writer) -> None:
        with suppress(RuntimeError):  # uvloop's, when we hung up
            await in_steps(reader, writer)

    async def scenario() -> None:
        async with receiver(slow, tls=showing if scheme == "https" else None) as it:
            before = open_sockets()
            async with client(tls=trusting, lookup=lambda _: ["127.0.0.1"]) as made:
                for turns in range(60):
                    host = "good.example" if turns % 2 else "127.0.0.1"
                    sending = asyncio.ensure_future(send(it.url(scheme=scheme, host=host), by=made))
                    for _ in range(turns):
                        await asyncio.sleep(0)
                    sending.cancel()
                    await asyncio.wait([sending])
            await eventually(lambda: open_sockets() - before <= it.opened - it.closed)

    run(scenario(), loop=loop)


@contextmanager
def watching(monkeypatch: pytest.MonkeyPatch) -> Iterator["weakref.WeakSet[Connection]"]:
    """Yield the connections that are alive, with the collector of circles at rest."""
    alive: weakref.WeakSet[Connection] = weakref.WeakSet()

    class Watched(Connection):
        def __init__(self) -> None:
            super().__init__()
            alive.add(self)

    monkeypatch.setattr(dialling, "Connection", Watched)
    gc.collect()
    gc.disable()
    try:
        yield alive
    finally:
        gc.enable()


FAREWELLS: dict[str, tuple[Behaviour, int | None]] = {
    "kept": (answering(OK), 200),
    "closed": (answering(HEAD + b"connection: close\r\ncontent-length: 2\r\n\r\nok"), 200),
    "cut": (answering(HEAD + b"\r\n" + b"x" * 30_000), 200),
    "bad chunk": (answering(HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\n"), 200),
    "garbage": (answering(b"x"), None),
    "too many headers": (answering(HEAD + b"x: y\r\n" * 1_000), None),
    "hung up": (hang_up, None),
    "silence": (for_ever(b"", pause_s=60), None),
}


@pytest.mark.parametrize("name", FAREWELLS)
@on_both_loops
def test_a_connection_that_is_over_is_forgotten_at_once(
    loop: LoopFactory, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    behave, status = FAREWELLS[name]

    async def scenario(alive: "weakref.WeakSet[Connection]") -> None:
        asyncio.get_running_loop().set_debug(False)  # it remembers who made what
        async with receiver(behave) as it:
            async with client() as made:
                answer = await send(it.url(), by=made, deadline_s=0.3)
                assert answer.status == status
            await eventually(lambda: not alive)

    with watching(monkeypatch) as alive:
        run(scenario(alive), loop=loop)


@on_both_loops
def test_after_many_exchanges_few_connections_are_alive(
    loop: LoopFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    closing = HEAD + b"connection: close\r\ncontent-length: 2\r\n\r\nok"
    ends = (OK, OK, OK, closing)

    async def scenario(alive: "weakref.WeakSet[Connection]") -> int:
        asyncio.get_running_loop().set_debug(False)
        count = 0

        async def behave(_: Reader, writer: Writer) -> None:
            nonlocal count
            count += 1
            writer.write(ends[count % len(ends)])

        async with receiver(behave) as it, client() as made:
            it.requests = NotKept()
            for _ in range(150):
                await asyncio.gather(*(send(it.url(), by=made) for _ in range(4)))
                assert len(alive) <= 12
            await eventually(lambda: len(alive) <= 2)
        return count

    with watching(monkeypatch) as alive:
        assert run(scenario(alive), loop=loop) >= 600


class NotKept(list[bytes]):
    """Keeps nothing."""

    def append(self, _: bytes) -> None:
        pass
