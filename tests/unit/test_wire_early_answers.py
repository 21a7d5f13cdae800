"""Answers that come before the request was written whole (real sockets on loopback)."""

import asyncio
from collections.abc import Callable

import pytest

from publisher.notify.outcome import Answer, ErrorKind
from publisher.notify.sending import Request
from publisher.notify.wire.bounds import LONG_BYTES, MOST_INFORMATIONAL
from tests.unit.scripted import OK, Reader, Receiver, Writer, answering, receiver
from tests.unit.wire import LoopFactory, client, eventually, on_both_loops, open_sockets, run, send

HEAD = b"HTTP/1.1 413 Content Too Large\r\n"
FRAMED = HEAD + b"content-length: 2\r\n\r\nok"
UNFRAMED = HEAD + b"\r\nok"
MORE_THAN_SOCKETS_HOLD = 20_000_000


def send_much(refuse: Callable[[Writer], None], loop: LoopFactory) -> Answer:
    """Send a long body to a receiver that reads its beginning only, and does this."""

    async def scenario() -> Answer:
        heard = asyncio.Event()

        async def serve(reader: Reader, writer: Writer) -> None:
            await reader.readuntil(b"\r\n\r\n")
            refuse(writer)
            await heard.wait()
            writer.transport.abort()

        server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1024)
        async with server, client() as made:
            before = open_sockets()
            request = Request(
                url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/",
                headers={},
                body=b"x" * MORE_THAN_SOCKETS_HOLD,
            )
            answer = await made.send(request, deadline_s=1)
            heard.set()
            await eventually(lambda: open_sockets() == before)
            return answer

    return run(scenario(), loop=loop)


@on_both_loops
def test_who_answers_and_reads_no_more_is_heard_and_left(loop: LoopFactory) -> None:
    answer = send_much(lambda writer: writer.write(FRAMED), loop)

    assert (answer.status, answer.error, answer.body) == (413, None, b"ok")
    assert answer.duration_ms < 800


@pytest.mark.parametrize("sent", [FRAMED, UNFRAMED])
@on_both_loops
def test_who_answers_and_writes_no_more_is_heard_and_left(loop: LoopFactory, sent: bytes) -> None:
    def refuse(writer: Writer) -> None:
        writer.write(sent)
        writer.write_eof()

    answer = send_much(refuse, loop)

    assert (answer.status, answer.error, answer.body) == (413, None, b"ok")
    assert answer.duration_ms < 800


@pytest.mark.parametrize(
    ("sent", "status"), [(b"", None), (HEAD, None), (HEAD + b"content-length: 9\r\n\r\nok", 413)]
)
@on_both_loops
def test_who_writes_no_more_before_the_end_is_left_at_once(
    loop: LoopFactory, sent: bytes, status: int | None
) -> None:
    def refuse(writer: Writer) -> None:
        writer.write(sent)
        writer.write_eof()

    answer = send_much(refuse, loop)

    assert (answer.status, answer.error) == (status, ErrorKind.DISCONNECTED)
    assert answer.duration_ms < 800


@on_both_loops
def test_who_hangs_up_at_once_ends_the_exchange(loop: LoopFactory) -> None:
    """Whether the answer is read before the reset is a matter of luck."""

    def refuse(writer: Writer) -> None:
        writer.write(FRAMED)
        writer.transport.abort()

    answer = send_much(refuse, loop)

    assert answer.status == 413 or answer.error is ErrorKind.DISCONNECTED
    assert answer.duration_ms < 800


@on_both_loops
def test_who_never_reads_is_left_at_the_deadline(loop: LoopFactory) -> None:
    answer = send_much(lambda _: None, loop)

    assert (answer.status, answer.error) == (None, ErrorKind.TIMEOUT)
    assert 950 < answer.duration_ms < 1_500


@pytest.mark.parametrize(("body_bytes", "opened"), [(LONG_BYTES // 2, 1), (LONG_BYTES, 2)])
def test_after_a_long_request_a_connection_is_not_used_again(body_bytes: int, opened: int) -> None:
    async def scenario() -> Receiver:
        async with receiver(answering(OK)) as it, client() as made:
            for _ in range(2):
                request = Request(url=it.url(), headers={}, body=b"x" * body_bytes)
                assert (await made.send(request, deadline_s=8)).succeeded
            return it

    assert run(scenario()).opened == opened


def test_early_hints_count_anew_with_every_request() -> None:
    hinted = answering(b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK)

    async def scenario() -> Receiver:
        async with receiver(hinted) as it, client() as made:
            for _ in range(MOST_INFORMATIONAL + 1):
                assert (await send(it.url(), by=made)).succeeded
            return it

    assert run(scenario()).opened == 1
