"""Whatever bytes come back, and however they are cut into writes: one answer, by the deadline."""

import asyncio
import ssl
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import cast

import pytest
import uvloop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from publisher.notify.outcome import Answer, ErrorKind
from publisher.notify.wire.client import WebhookClient
from tests.unit.scripted import OK
from tests.unit.wire import LOOPBACK, send

HEAD = b"HTTP/1.1 200 OK\r\n"
VALID = (
    OK,
    HEAD + b"\r\nuntil the end",
    HEAD + b"retry-after: 5\r\nx: a\r\n b\r\ncontent-length: 4\r\nconnection: close\r\n\r\nbody",
    HEAD + b"transfer-encoding: chunked\r\n\r\n5;x=y\r\nhello\r\nA\r\n0123456789\r\n0\r\nx: y\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nlink: x\r\n\r\n" + OK,
    b"HTTP/1.1 204 No Content\r\nwebhook-delivery: disable\r\n\r\n",
    b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n",
    b"HTTP/1.0 410 Gone\r\nconnection: keep-alive\r\ncontent-length: 0\r\n\r\n",
    b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\nother",
    b"HTTP/1.1 503 Busy\ncontent-length: 2\n\nno",
)
PIECES = (
    b"\r",
    b"\n",
    b"\r\n",
    b"\r\n\r\n",
    b"\0",
    b" ",
    b"\t",
    b":",
    b";",
    b",",
    b"0",
    b"-",
    b"\xff",
    b"HTTP/1.1 ",
    OK,
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A valid answer, or two, with bytes cut out, doubled, changed and put in."""
    data = b"".join(draw(st.lists(st.sampled_from(VALID), min_size=1, max_size=2)))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 8)))
        part = draw(
            st.one_of(
                st.sampled_from(PIECES), st.binary(max_size=3), st.just(data[start:end] * 2), st.just(b"")
            )
        )
        data = data[:start] + part + data[end:]
    return data


class Scripted(asyncio.Protocol):
    """Answers with what it is told, in these writes, and hangs up."""

    writes: Sequence[bytes] = ()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        asyncio.ensure_future(self._answer(self.writes))  # noqa: RUF006

    async def _answer(self, writes: Sequence[bytes]) -> None:
        for one in writes:
            if self._transport.is_closing():
                return
            self._transport.write(one)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        self._transport.close()


class Bench:
    """An event loop with a receiver, for as many examples as there are; each has a client of its own."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        self._runner.run(self._open())

    async def _open(self) -> None:
        self._tls = ssl.create_default_context()
        self._server = await asyncio.get_running_loop().create_server(Scripted, "127.0.0.1", 0)
        self._url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/"

    def answer(self, *writes: bytes) -> Answer:
        """Return what the client makes of an answer in these writes."""
        Scripted.writes = writes
        return self._runner.run(self._exchange())

    async def _exchange(self) -> Answer:
        client = WebhookClient(allowed=LOOPBACK, tls=self._tls)
        try:
            return await send(self._url, by=client)
        finally:
            await client.aclose()

    def close(self) -> None:
        self._server.close()
        self._runner.close()


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.close()


def told(answer: Answer) -> tuple[object, ...]:
    return answer.status, answer.error, answer.headers, answer.body


@given(data=mutated(), cuts=st.lists(st.integers(0, 200), max_size=4))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_answer_is_the_same_however_it_is_cut(bench: Bench, data: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]

    whole = bench.answer(data)

    assert whole.error is not ErrorKind.TIMEOUT
    assert told(bench.answer(*(data[start:end] for start, end in pairwise(edges)))) == told(whole)
    assert told(bench.answer(*(data[at : at + 1] for at in range(len(data))))) == told(whole)
