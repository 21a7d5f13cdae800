"""Subscribers in a process of their own: one HTTP server that answers on every address of 127/8.

`python -m benchmarks.receivers DESCRIPTOR DESCRIPTOR[=CERTIFICATE]…` serves on listening sockets that it
inherits. On the first one, `GET /` tells what came in on the others, and `GET /?after_ms=N` begins to count
anew and to answer N ms late; with `&then=close` no connection is used again. On the others, all that comes is
counted and answered 204.
"""

import asyncio
import json
import socket
import ssl
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import httpx
import uvloop

from benchmarks.stand import CannotMeasure, System

_NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"
_NO_CONTENT_EVER = b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n"
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
    connections: int

    @property
    def per_s(self) -> float:
        """Requests a second, from the first to the last."""
        return (self.count - 1) / (self.last_at - self.first_at)


class Receivers:
    """The process as whoever measures sees it."""

    def __init__(self, system: System, *, certificates: Sequence[Path] = ()) -> None:
        """Start it; it ends with the system.

        Args:
            certificates: with their keys, of `certify`; none: plain http.
        """
        with ExitStack() as handed_on:
            control, *others = (
                handed_on.enter_context(listening_socket()) for _ in range(1 + max(1, len(certificates)))
            )
            served = [f"{one.fileno()}={file}" for one, file in zip(others, certificates, strict=False)]
            descriptors = tuple(one.fileno() for one in (control, *others))
            named = served or [str(one.fileno()) for one in others]
            system.run("benchmarks.receivers", str(control.fileno()), *named, descriptors=descriptors)
            self._control = f"http://127.0.0.1:{control.getsockname()[1]}/"
            self._ports = [int(one.getsockname()[1]) for one in others]
        self._scheme = "https" if certificates else "http"
        # Of its own: to make one for each question takes longer than to ask it.
        self._client = httpx.Client(timeout=_ANSWERS_WITHIN_S, trust_env=False)

    def url(self, host: int) -> str:
        """Return the URL of the n-th of 16 million hosts; of certified ones, only they have one."""
        port = self._ports[host % len(self._ports)]
        return f"{self._scheme}://{address_of(host)}:{port}/webhook"

    def begin(self, *, after_ms: int, hang_up: bool = False) -> None:
        """Count anew; answer so late from now on, and hang up after each answer or not."""
        self._ask({"after_ms": str(after_ms), "then": "close" if hang_up else "stay"})

    def tally(self) -> Tally:
        """Return what came in since."""
        return Tally(**self._ask({}))

    def _ask(self, wanted: dict[str, str]) -> Any:
        try:
            answer = self._client.get(self._control, params=wanted)
        except httpx.TransportError as error:
            raise CannotMeasure(f"the receivers do not answer: {error}") from error
        return answer.json()


class Connection(asyncio.Protocol):
    """HTTP/1.1 as far as webhooks need it: one request after the other, with a length if it has a body."""

    def __init__(self, answering: Answering, opened: Callable[[], None]) -> None:
        self._answering = answering
        self._opened = opened
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Turn away whoever comes from outside: every address is listened on."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are no subclasses of asyncio's
        if not transport.get_extra_info("peername")[0].startswith("127."):
            self._transport.abort()
        self._opened()

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
        self._after_s = self._first_at = self._last_at = 0.0
        self._answer = _NO_CONTENT
        self._count = self._connections = 0

    def opened(self) -> None:
        self._connections += 1

    def answer(self, _: bytes, __: bytes) -> tuple[bytes, float]:
        self._last_at = time.monotonic()
        self._first_at = self._first_at or self._last_at
        self._count += 1
        return self._answer, self._after_s

    def tell(self, request: bytes, _: bytes) -> tuple[bytes, float]:
        wanted = parse_qs(urlsplit(request.split(b" ")[1].decode()).query)
        if "after_ms" in wanted:
            self._begin()
            self._after_s = int(wanted["after_ms"][0]) / 1000
            self._answer = _NO_CONTENT_EVER if wanted.get("then") == ["close"] else _NO_CONTENT
        body = json.dumps(asdict(self._tally())).encode()
        return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body), 0.0

    def _begin(self) -> None:
        self._count = self._connections = 0
        self._first_at = self._last_at = 0.0

    def _tally(self) -> Tally:
        return Tally(
            count=self._count,
            first_at=self._first_at,
            last_at=self._last_at,
            connections=self._connections,
        )


def address_of(host: int) -> str:
    """Return the address of the n-th of 16 million hosts, all of them on this machine."""
    return f"127.{host >> 16 & 255}.{host >> 8 & 255}.{host & 255}"


def listening_socket() -> socket.socket:
    """Return a socket that listens on a free port of every address of 127/8."""
    listener = socket.create_server(("0.0.0.0", 0), backlog=4096)
    listener.setblocking(False)
    return listener


async def serve(
    listener: socket.socket,
    answering: Answering,
    *,
    opened: Callable[[], None] = lambda: None,
    tls: ssl.SSLContext | None = None,
) -> Any:
    """Begin to serve; return the server, which the caller closes.

    Args:
        opened: is called for each connection.
    """
    loop = asyncio.get_running_loop()
    return await loop.create_server(
        lambda: Connection(answering, opened), sock=listener, backlog=4096, ssl=tls
    )


async def main(control: str, served: Sequence[str]) -> None:
    """Serve until it is ended."""
    counter = _Counter()
    for one in served:
        descriptor, _, certificate = one.partition("=")
        listener = socket.socket(fileno=int(descriptor))
        await serve(listener, counter.answer, opened=counter.opened, tls=_context(certificate))
    server = await serve(socket.socket(fileno=int(control)), counter.tell)
    await server.serve_forever()


def _context(certificate: str) -> ssl.SSLContext | None:
    if not certificate:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], sys.argv[2:]))
