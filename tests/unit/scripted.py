"""Receivers that do byte by byte what a test says (real sockets on loopback)."""

import asyncio
import gzip
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field

from tests.accepting import accepting

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter
Behaviour = Callable[[Reader, Writer], Awaitable[None]]
_OK_WITH = b"HTTP/1.1 200 OK\r\n"
_CHUNKED = _OK_WITH + b"transfer-encoding: chunked\r\n\r\n"
# What comes first, and what then comes without end.
FLOODS: dict[str, tuple[bytes, bytes]] = {
    "body": (_OK_WITH + b"\r\n", b"x" * 65536),
    "body of 1 GB": (_OK_WITH + b"content-length: 1000000000\r\n\r\n", b"x" * 65536),
    "chunks": (_CHUNKED, b"10000\r\n" + b"x" * 65536 + b"\r\n"),
    "chunks of a byte": (_CHUNKED, b"1\r\nx\r\n" * 8192),
    "an extension of a chunk": (_CHUNKED + b"1;x=", b"x" * 65536),
    "trailers": (_CHUNKED + b"0\r\n", b"x: y\r\n" * 8192),
    "gzip": (_OK_WITH + b"content-encoding: gzip\r\n\r\n", gzip.compress(bytes(10_000_000))),
    "headers": (_OK_WITH, b"x: y\r\n" * 8192),
    "a header": (_OK_WITH + b"x: ", b"y" * 65536),
    "informational answers": (b"", b"HTTP/1.1 102 Processing\r\n\r\n" * 2048),
    "early hints": (b"", b"HTTP/1.1 103 Early Hints\r\nlink: " + b"x" * 8000 + b"\r\n\r\n"),
    "answers": (b"", OK * 1024),
    "line breaks": (b"", b"\r\n" * 32768),
}


@dataclass
class Receiver:
    """A server on loopback that remembers what came in."""

    port: int = 0
    opened: int = 0
    closed: int = 0
    requests: list[bytes] = field(default_factory=list)

    def url(self, path: str = "/hook", *, host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}"


async def read_request(reader: Reader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return head + await reader.readexactly(int(lengths[0].split(b":")[1]) if lengths else 0)


def answering(*parts: bytes, pause_s: float = 0) -> Behaviour:
    """Answer each request with the parts, a pause between them."""

    async def behave(_: Reader, writer: Writer) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()
            if pause_s:
                await asyncio.sleep(pause_s)

    return behave


def for_ever(part: bytes, *, after: bytes = b"", pause_s: float = 0) -> Behaviour:
    """Answer with a beginning, then with the same part until the client hangs up."""

    async def behave(_: Reader, writer: Writer) -> None:
        writer.write(after)
        while True:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause_s)

    return behave


def in_turn(*behaviours: Behaviour) -> Behaviour:
    """Behave differently with every request, whichever connection it comes on; at last as the last says."""
    left = list(behaviours)

    async def behave(reader: Reader, writer: Writer) -> None:
        await (left.pop(0) if len(left) > 1 else left[0])(reader, writer)

    return behave


async def hang_up(_: Reader, writer: Writer) -> None:
    writer.close()


def then_hang_up(*parts: bytes, pause_s: float = 0.02) -> Behaviour:
    """Answer with the parts, a pause after each, and hang up."""

    async def behave(_: Reader, writer: Writer) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause_s)
        writer.close()

    return behave


@asynccontextmanager
async def receiver(
    behave: Behaviour, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[Receiver]:
    it = Receiver()
    serving: set[asyncio.Task[None] | None] = set()

    async def serve(reader: Reader, writer: Writer) -> None:
        serving.add(asyncio.current_task())
        it.opened += 1
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while not writer.is_closing():
                it.requests.append(await read_request(reader))
                await behave(reader, writer)
        it.closed += 1
        writer.close()

    server = await asyncio.start_server(serve, host, 0, ssl=tls)
    it.port = server.sockets[0].getsockname()[1]
    try:
        yield it
    finally:
        server.close()
        for task in serving:
            assert task is not None
            task.cancel()
        await asyncio.gather(*(task for task in serving if task), return_exceptions=True)


@contextmanager
def flooding(head: bytes, part: bytes) -> Iterator[str]:
    """Yield the URL of a receiver in threads of its own, which write as fast as the client reads."""

    def flood(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(head)
        while True:
            connection.sendall(part)

    with accepting(flood) as port:
        yield f"http://127.0.0.1:{port}/"
