"""Subscribers on this machine: one HTTP server that answers on every address of 127/8, as each test wishes.

`python -m tests.receivers [milliseconds]` runs one in a process of its own, which counts and forgets: it
prints its port, then answers every line on its standard input with the number of requests so far.
"""

import asyncio
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from types import TracebackType
from typing import Self, cast

import uvloop


@dataclass(frozen=True, kw_only=True)
class Received:
    """A request as it arrived.

    Attributes:
        path: with the query.
        headers: names in lower case.
        at: on the monotonic clock.
    """

    path: str
    headers: Mapping[str, str]
    body: bytes
    at: float
    method: str = "POST"


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What a receiver answers, and how long it takes; what is held waits for `Receivers.release`."""

    status: int = 204
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    after_s: float = 0.0
    held: bool = False

    def encode(self) -> bytes:
        """Return the bytes of the answer."""
        head = [f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}"]
        head += [f"{name}: {value}" for name, value in self.headers.items()]
        if self.status != HTTPStatus.NO_CONTENT:
            head.append(f"content-length: {len(self.body)}")
        return "\r\n".join([*head, "", ""]).encode() + self.body


Answering = Callable[[Received], Reply]


class Receivers:
    """A server in a thread of its own; what it received is read with `received`.

    By default it answers 204 at once, and keeps what it received.
    """

    def __init__(self, answering: Answering = lambda _: Reply(), *, keep: bool = True) -> None:
        self.count = 0
        self._keep = keep
        self._answering = answering
        self._received: list[Received] = []
        self._open: set[asyncio.Transport] = set()
        self._held: list[Callable[[], None]] = []
        self._under_way: Counter[str] = Counter()
        self._most: Counter[str] = Counter()
        self._loop = uvloop.new_event_loop()
        self._socket = _listening_socket()
        self._thread = threading.Thread(target=self._serve, name="receivers", daemon=True)
        self.port: int = self._socket.getsockname()[1]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def url(self, path: str = "/", *, host: int = 1) -> str:
        """Return the URL of the n-th of 16 million hosts."""
        return f"http://127.{host >> 16 & 255}.{host >> 8 & 255}.{host & 255}:{self.port}{path}"

    def received(self, path: str | None = None) -> list[Received]:
        """Return what came in, in its order; on one path, or on all."""
        return [one for one in list(self._received) if path is None or one.path == path]

    def most_at_once(self, path: str) -> int:
        """Return how many requests on a path were under way at a time: come in, and not answered yet."""
        return self._most[path]

    def answer(self, answering: Answering) -> None:
        """Answer in another way from now on."""
        self._answering = answering

    def release(self, most: int | None = None) -> None:
        """Answer all that is held, or so many, the first ones first."""
        self._loop.call_soon_threadsafe(self._release, most)

    def _release(self, most: int | None) -> None:
        for answer in self._held[:most]:
            answer()
        del self._held[:most]

    def _serve(self) -> None:
        server = self._loop.run_until_complete(
            self._loop.create_server(
                lambda: _Connection(self._take, self._end, self._open, self._held),
                sock=self._socket,
                backlog=4096,
            )
        )
        self._loop.run_forever()
        server.close()
        for transport in list(self._open):
            transport.abort()
        self._loop.run_until_complete(asyncio.sleep(0.01))
        self._loop.close()

    def _take(self, received: Received) -> Reply:
        self.count += 1
        self._under_way[received.path] += 1
        self._most[received.path] = max(self._most[received.path], self._under_way[received.path])
        if self._keep:
            self._received.append(received)
        return self._answering(received)

    def _end(self, path: str) -> None:
        self._under_way[path] -= 1


class _Connection(asyncio.Protocol):
    """HTTP/1.1 as far as webhooks need it: requests with a length, one after the other."""

    def __init__(
        self,
        take: Callable[[Received], Reply],
        end: Callable[[str], None],
        opened: set[asyncio.Transport],
        held: list[Callable[[], None]],
    ) -> None:
        self._take = take
        self._end = end
        self._asked: str | None = None
        self._opened = opened
        self._held = held
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        if not transport.get_extra_info("peername")[0].startswith("127."):
            self._transport.abort()
        self._opened.add(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._opened.discard(self._transport)
        self._over()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        if not end:
            return
        lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
        length = int(headers.get("content-length", 0))
        if len(rest) < length:
            return
        self._buffer = rest[length:]
        method, path = lines[0].split(" ")[:2]
        received = Received(
            path=path, headers=headers, body=rest[:length], at=time.monotonic(), method=method
        )
        self._asked = received.path
        reply = self._take(received)
        if reply.held:
            self._held.append(partial(self._answer, reply))
        elif reply.after_s:
            asyncio.get_running_loop().call_later(reply.after_s, self._answer, reply)
        else:
            self._answer(reply)

    def _answer(self, reply: Reply) -> None:
        self._over()
        if not self._transport.is_closing():
            self._transport.write(reply.encode())

    def _over(self) -> None:
        if self._asked is not None:
            self._end(self._asked)
            self._asked = None


def _listening_socket() -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Every address of 127/8 at once; whoever comes from outside is turned away when connected.
    listener.bind(("0.0.0.0", 0))
    # From now on: whoever asks before the thread serves waits, and is not refused.
    listener.listen(4096)
    listener.setblocking(False)
    return listener


def main(after_s: float) -> None:
    """Answer until standard input ends."""
    reply = Reply(after_s=after_s)
    with Receivers(lambda _: reply, keep=False) as receivers:
        sys.stdout.write(f"{receivers.port}\n")
        sys.stdout.flush()
        for _ in sys.stdin:
            sys.stdout.write(f"{receivers.count}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(float(sys.argv[1]) / 1000 if len(sys.argv) > 1 else 0.0)
