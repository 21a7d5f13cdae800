"""Receivers that lie, stall or flood: each runs in a thread of its own and keeps what it saw."""

import asyncio
import gzip
import ssl
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

_BOMB_BYTES = 100_000_000
_FLOOD = b"x-flood: " + b"a" * 1000 + b"\r\n"


@dataclass
class Seen:
    """What a receiver saw.

    Attributes:
        sent: bytes that it was rid of.
        gone: set once somebody who had connected has hung up.
    """

    port: int = 0
    connections: int = 0
    sent: int = 0
    heads: list[bytes] = field(default_factory=list)
    gone: threading.Event = field(default_factory=threading.Event)

    @property
    def targets(self) -> list[str]:
        """What stood between method and version."""
        return [head.split(b" ")[1].decode() for head in self.heads]


Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter, Seen], Awaitable[None]]


@contextmanager
def receiver(behaviour: Behaviour, tls: ssl.SSLContext | None = None) -> Iterator[Seen]:
    """Serve so on a free port of 127.0.0.1."""
    seen, loop = Seen(), asyncio.new_event_loop()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.connections += 1
        with suppress(OSError, asyncio.IncompleteReadError):
            await behaviour(reader, writer, seen)
        seen.gone.set()
        writer.close()

    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    started = asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    server = asyncio.run_coroutine_threadsafe(started, loop).result()
    seen.port = server.sockets[0].getsockname()[1]
    try:
        yield seen
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


def answering(head: bytes, body: bytes = b"") -> Behaviour:
    """Answer every request so."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: Seen) -> None:
        while True:
            await _request(reader, seen)
            writer.write(b"HTTP/1.1 %b\r\ncontent-length: %d\r\n\r\n%b" % (head, len(body), body))
            await writer.drain()

    return behave


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: Seen) -> None:
    """Say nothing, until the other side hangs up."""
    while await reader.read(65536):
        pass


async def slow_head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: Seen) -> None:
    """Say a byte of the headers ten times a second."""
    await _request(reader, seen)
    writer.write(b"HTTP/1.1 200 OK\r\nx: ")
    await _trickle(reader, writer)


async def slow_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: Seen) -> None:
    """Say a byte of the body ten times a second."""
    await _request(reader, seen)
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
    await _trickle(reader, writer)


async def endless_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: Seen) -> None:
    """Send a body without end, as fast as it is taken."""
    await _request(reader, seen)
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000000\r\n\r\n")
    await _pour(writer, seen, b"x" * 65536)


async def endless_head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: Seen) -> None:
    """Send headers without end, as fast as they are taken."""
    await _request(reader, seen)
    writer.write(b"HTTP/1.1 200 OK\r\n")
    await _pour(writer, seen, _FLOOD)


def bomb() -> Behaviour:
    """Answer 100 MB of zeros as 100 kB of gzip, which nobody asked for."""
    return answering(b"200 OK\r\ncontent-encoding: gzip", gzip.compress(bytes(_BOMB_BYTES)))


async def _request(reader: asyncio.StreamReader, seen: Seen) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    seen.heads.append(head)
    _, found, rest = head.lower().partition(b"content-length:")
    if found:
        await reader.readexactly(int(rest.partition(b"\r\n")[0]))


async def _trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    gone = asyncio.ensure_future(reader.read(1))
    while not gone.done():
        writer.write(b"x")
        await writer.drain()
        await asyncio.wait([gone], timeout=0.1)


async def _pour(writer: asyncio.StreamWriter, seen: Seen, what: bytes) -> None:
    until = time.monotonic() + 10
    while time.monotonic() < until:
        writer.write(what)
        await writer.drain()
        seen.sent += len(what)
