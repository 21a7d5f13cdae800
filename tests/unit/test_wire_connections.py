"""When a connection to a receiver is used again, and when not (real sockets on loopback)."""

import asyncio

import pytest

from publisher.notify.outcome import Answer, ErrorKind
from publisher.notify.wire.bounds import MAX_BODY_BYTES
from tests.unit.scripted import OK, Behaviour, Receiver, answering, hang_up, in_turn, receiver, then_hang_up
from tests.unit.wire import LoopFactory, client, on_both_loops, run, send

HEAD = b"HTTP/1.1 200 OK\r\n"
PAUSE_S = 0.03


def two_in_turn(
    behave: Behaviour, *, loop: LoopFactory = asyncio.new_event_loop, pause_s: float = PAUSE_S
) -> tuple[Answer, Answer, Receiver]:
    """Send two webhooks to a receiver that behaves like this, one after the other."""

    async def scenario() -> tuple[Answer, Answer, Receiver]:
        async with receiver(behave) as it, client() as made:
            first = await send(it.url(), by=made)
            await asyncio.sleep(pause_s)  # what the receiver writes or does besides its answer comes through
            return first, await send(it.url(), by=made), it

    return run(scenario(), loop=loop)


# Who hung up meanwhile.


@pytest.mark.parametrize("sent", [b"", b"H", b"\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", HEAD])
@on_both_loops
def test_who_hangs_up_instead_of_answering_is_not_asked_anew(loop: LoopFactory, sent: bytes) -> None:
    _, second, it = two_in_turn(in_turn(answering(OK), then_hang_up(sent)), loop=loop)

    assert (second.status, second.error) == (None, ErrorKind.DISCONNECTED)
    assert (len(it.requests), it.opened) == (2, 1)


@on_both_loops
def test_who_is_new_and_hangs_up_is_asked_once(loop: LoopFactory) -> None:
    first, _, it = two_in_turn(in_turn(hang_up, answering(OK)), loop=loop)

    assert first.error is ErrorKind.DISCONNECTED
    assert (len(it.requests), it.opened) == (2, 2)


@on_both_loops
def test_who_hung_up_while_nobody_asked_is_not_written_to(loop: LoopFactory) -> None:
    _, second, it = two_in_turn(in_turn(then_hang_up(OK, pause_s=0), answering(OK)), loop=loop)

    assert second.status == 200
    assert (len(it.requests), it.opened) == (2, 2)


# Bytes that nobody asked for.

OTHER = b"HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n"
UNASKED = [OTHER, OTHER[:1], b"x", b"\r\n" + OTHER, b"HTTP/1.1 103 Early\r\n\r\n"]


@pytest.mark.parametrize("extra", UNASKED)
@on_both_loops
def test_what_is_glued_to_an_answer_is_nobodys(loop: LoopFactory, extra: bytes) -> None:
    first, second, it = two_in_turn(in_turn(answering(OK + extra), answering(OK)), loop=loop)

    assert (first.status, first.body, second.status) == (200, b"ok", 200)
    assert it.opened == 2


@pytest.mark.parametrize("extra", [*UNASKED, b"\r\n"])
@on_both_loops
def test_what_comes_when_nobody_asked_ends_the_connection(loop: LoopFactory, extra: bytes) -> None:
    first, second, it = two_in_turn(in_turn(answering(OK, extra, pause_s=0.01), answering(OK)), loop=loop)

    assert (first.status, second.status) == (200, 200)
    assert it.opened == 2


def test_a_line_break_after_an_answer_does_no_harm() -> None:
    first, second, it = two_in_turn(in_turn(answering(OK + b"\r\n"), answering(OK)))

    assert (first.status, second.status) == (200, 200)
    assert it.opened == 1


# When one answer is over.


@pytest.mark.parametrize(
    ("answer", "opened"),
    [
        (OK, 1),
        (HEAD + b"transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 1),
        (HEAD + b"transfer-encoding: chunked\r\n\r\n2;x=y\r\nok\r\n0\r\nx: y\r\n\r\n", 1),
        (HEAD + b"connection: Upgrade, Keep-Alive\r\nupgrade: h2,h2c\r\ncontent-length: 2\r\n\r\nok", 1),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 1),
        (b"HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\n", 1),
        (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n", 1),
        (b"HTTP/1.1 103 Early\r\n\r\n" + OK, 1),
        (b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok", 1),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", 2),
        (HEAD + b"connection: close\r\ncontent-length: 2\r\n\r\nok", 2),
        (HEAD + b"connection: x, Close\r\ncontent-length: 2\r\n\r\nok", 2),
        (b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n", 2),
        (b"HTTP/1.1 204 No Content\r\ncontent-length: 2\r\n\r\nok", 2),
        (b"HTTP/1.1 304 Not Modified\r\n\r\nbody", 2),
        (HEAD + b"content-length: 1\r\n\r\nok", 2),
        (b"HTTP/1.1 101 Switching\r\n\r\n", 2),
        (b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n", 2),
    ],
)
@on_both_loops
def test_a_connection_is_used_again_after_a_whole_answer(
    loop: LoopFactory, answer: bytes, opened: int
) -> None:
    first, second, it = two_in_turn(in_turn(answering(answer), answering(OK)), loop=loop)

    assert (first.error, second.error, second.status) == (None, None, 200)
    assert first.body in (b"", b"o", b"ok")
    assert it.opened == opened


@pytest.mark.parametrize("bytes_", [MAX_BODY_BYTES + 1, 1_000_000])
@on_both_loops
def test_a_body_that_is_cut_takes_its_connection_with_it(loop: LoopFactory, bytes_: int) -> None:
    long = HEAD + b"content-length: %d\r\n\r\n" % bytes_ + b"x" * bytes_

    first, second, it = two_in_turn(in_turn(answering(long), answering(OK)), loop=loop)

    assert (first.status, first.error, len(first.body)) == (200, None, MAX_BODY_BYTES)
    assert second.status == 200
    assert it.opened == 2


@pytest.mark.parametrize(
    "framing",
    [
        b"x: y",
        b"transfer-encoding: gzip",
        b"transfer-encoding: chunked, gzip",
        b"transfer-encoding: chunked\r\ntransfer-encoding: gzip",
        b"transfer-encoding: xchunked",
    ],
)
def test_a_body_without_a_length_ends_with_its_connection(framing: bytes) -> None:
    first, second, it = two_in_turn(in_turn(then_hang_up(HEAD + framing + b"\r\n\r\no", b"k"), answering(OK)))

    assert (first.status, first.error, first.body) == (200, None, b"ok")
    assert (second.status, it.opened) == (200, 2)


@pytest.mark.parametrize(
    "framing",
    [
        b"content-length: 3\r\n\r\nok",
        b"transfer-encoding: Chunked \r\n\r\n2\r\nok\r\n",
        b"transfer-encoding: gzip,chunked\r\n\r\n2\r\nok\r\n0\r\n",
        b"transfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n3\r\nok",
    ],
)
def test_a_body_that_has_an_end_is_not_over_before(framing: bytes) -> None:
    first, _, _ = two_in_turn(in_turn(then_hang_up(HEAD + framing), answering(OK)))

    assert (first.status, first.error, first.body) == (200, ErrorKind.DISCONNECTED, b"ok")


@pytest.mark.parametrize(
    "framing",
    [b"content-length: 2\r\ntransfer-encoding: chunked", b"transfer-encoding: gzip\r\ncontent-length: 2"],
)
def test_a_body_with_two_ends_is_none(framing: bytes) -> None:
    first, _, _ = two_in_turn(
        in_turn(then_hang_up(HEAD + framing + b"\r\n\r\n2\r\nok\r\n0\r\n\r\n"), answering(OK))
    )

    assert (first.status, first.error) == (None, ErrorKind.PROTOCOL)
