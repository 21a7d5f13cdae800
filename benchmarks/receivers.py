"""Subscribers in a process of their own: one HTTP server that answers on every address of 127/8.

`python -m benchmarks.receivers DESCRIPTOR` serves on a listening socket that it inherits. POSTs are counted
and answered 204; `GET /?after_ms=N` begins to count anew and answers N ms late from then on; `GET /` tells
what came in.
"""

import asyncio
import json
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import httpx
import uvloop

from benchmarks.stand import CannotMeasure, System

_NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"
_ANSWERS_WITHIN_S = 30
_LENGTH = b"\r\ncontent-length:"
Answering = Callable[[bytes, bytes], tuple[bytes, float]]
"""From a request line and a body to the bytes of the answer, and after how many seconds to send it."""


@dataclass(frozen=True, kw_only=True)
class Tally:
    """What came in since the counting began; instants are on the monotonic clock, which processes share."""

    count: int
    first_at: float
    last_at: float

    @property
    def per_s(self) -> float:
        """Requests a second, from the first to the last."""
        return (self.count - 1) / (self.last_at - self.first_at)


class Receivers:
    """The process as whoever measures sees it."""

    def __init__(self, system: System) -> None:
        """Start it; it ends with the system."""
        with listening_socket() as listener:
            self.port: int = listener.getsockname()[1]
            system.run("benchmarks.receivers", str(listener.fileno()), descriptors=(listener.fileno(),))
        self._url = f"http://127.0.0.1:{self.port}/"

    def url(self, host: int) -> str:
        """Return the URL of the n-th of 16 million hosts."""
        return f"http://127.{host >> 16 & 255}.{host >> 8 & 255}.{host & 255}:{self.port}/webhook"

    def begin(self, *, after_ms: int) -> None:
        """Count anew; answer so late from now on."""
        self._ask({"after_ms": str(after_ms)})

    def tally(self) -> Tally:
        """Return what came in since."""
        return Tally(**self._ask({}))

    def _ask(self, wanted: dict[str, str]) -> Any:
        try:
            answer = httpx.get(self._url, params=wanted, timeout=_ANSWERS_WITHIN_S, trust_env=False)
        except httpx.TransportError as error:
            raise CannotMeasure(f"the receivers do not answer: {error}") from error
        return answer.json()


class Connection(asyncio.Protocol):
    """HTTP/1.1 as far as webhooks need it: one request after the other, with a length if it has a body."""

    def __init__(self, answering: Answering) -> None:
        self._answering = answering
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Turn away whoever comes from outside: every address is listened on."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are no subclasses of asyncio's
        if not transport.get_extra_info("peername")[0].startswith("127."):
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Answer once a request is whole."""
        self._buffer += data
        head, end, body = self._buffer.partition(b"\r\n\r\n")
        _, _, length = head.lower().partition(_LENGTH)
        if not end or len(body) < int(length.partition(b"\r\n")[0] or 0):
            return
        self._buffer = b""
        answer, after_s = self._answering(head.partition(b"\r\n")[0], body)
        if after_s:
            asyncio.get_running_loop().call_later(after_s, self._write, answer)
        else:
            self._write(answer)

    def _write(self, answer: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(answer)


class _Counter:
    def __init__(self) -> None:
        self._after_s = 0.0
        self._count = 0
        self._first_at = self._last_at = 0.0

    def answer(self, request: bytes, _: bytes) -> tuple[bytes, float]:
        if request.startswith(b"POST"):
            self._last_at = time.monotonic()
            self._first_at = self._first_at or self._last_at
            self._count += 1
            return _NO_CONTENT, self._after_s
        return self._told(request), 0.0

    def _told(self, request: bytes) -> bytes:
        wanted = parse_qs(urlsplit(request.split(b" ")[1].decode()).query)
        if "after_ms" in wanted:
            self._count, self._first_at, self._last_at = 0, 0.0, 0.0
            self._after_s = int(wanted["after_ms"][0]) / 1000
        tally = {"count": self._count, "first_at": self._first_at, "last_at": self._last_at}
        body = json.dumps(tally).encode()
        return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


def listening_socket() -> socket.socket:
    """Return a socket that listens on a free port of every address of 127/8."""
    listener = socket.create_server(("0.0.0.0", 0), backlog=4096)
    listener.setblocking(False)
    return listener


async def serve(listener: socket.socket, answering: Answering) -> Any:
    """Begin to serve; return the server, which the caller closes."""
    loop = asyncio.get_running_loop()
    return await loop.create_server(partial(Connection, answering), sock=listener, backlog=4096)


async def main(descriptor: int) -> None:
    """Serve until it is ended."""
    server = await serve(socket.socket(fileno=descriptor), _Counter().answer)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
