"""`python -m benchmarks.reading URL SECONDS ETAG PATH…`: ask for feeds, as readers that stay connected.

An empty ETAG asks for all of it. The last line that it prints is `{"per_s": …}`.
"""

import asyncio
import itertools
import json
import sys
import time
from collections.abc import Sequence
from typing import cast
from urllib.parse import urlsplit

import uvloop

_READERS = 32
_WARM_UP_S = 0.5


class Reader(asyncio.Protocol):
    """A connection that asks for the next path as soon as it has the last answer.

    The answers to a path are equally long, so that nothing need be parsed to know where one ends.
    """

    def __init__(self, requests: Sequence[tuple[bytes, int]], count: "Counter") -> None:
        self._requests = itertools.cycle(requests)
        self._count = count
        self._left = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._left -= len(data)
        if self._left <= 0:
            self._count.answered += 1
            self._ask()

    def _ask(self) -> None:
        request, self._left = next(self._requests)
        self._transport.write(request)


class Counter:
    """Answers that came in, of all readers."""

    answered = 0


async def main(url: str, seconds: float, etag: str | None, paths: Sequence[str]) -> None:
    """Ask, and print the rate."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    requests = []
    for path in paths:
        request = _request(path, parts.netloc, etag)
        requests.append((request, await _length_of(parts.hostname, parts.port, request)))
    count, loop = Counter(), asyncio.get_running_loop()
    for number in range(_READERS):
        own = requests[number % len(requests) :] + requests[: number % len(requests)]
        await loop.create_connection(lambda own=own: Reader(own, count), parts.hostname, parts.port)
    await asyncio.sleep(_WARM_UP_S)
    before, began = count.answered, time.monotonic()
    await asyncio.sleep(seconds)
    print(json.dumps({"per_s": (count.answered - before) / (time.monotonic() - began)}))


def _request(path: str, host: str, etag: str | None) -> bytes:
    condition = f"if-none-match: {etag}\r\n" if etag else ""
    return f"GET {path} HTTP/1.1\r\nhost: {host}\r\naccept-encoding: gzip\r\n{condition}\r\n".encode()


async def _length_of(host: str, port: int, request: bytes) -> int:
    """Return how many bytes the answer has."""
    reader, writer = await asyncio.open_connection(host, port)
    for _ in range(2):  # the first answer may be made on another way than those that follow
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        lines = dict(line.split(b": ", 1) for line in head.lower().split(b"\r\n")[1:-2])
        body = 0 if b" 304 " in head else int(lines[b"content-length"])
        await reader.readexactly(body)
    writer.close()
    return len(head) + body


if __name__ == "__main__":
    _, url, seconds, etag, *paths = sys.argv
    uvloop.run(main(url, float(seconds), etag or None, paths))
