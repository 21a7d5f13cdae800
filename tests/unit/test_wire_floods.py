"""Receivers that write as fast as they can: none of them holds the event loop that all deliveries share."""

import asyncio
import time

import pytest

from publisher.notify.outcome import Answer, ErrorKind
from publisher.notify.wire.bounds import LENIENT_BYTES
from tests.unit.scripted import FLOODS, answering, flooding, receiver
from tests.unit.wire import LoopFactory, client, on_both_loops, run, send

OK_WITH = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK_WITH + b"transfer-encoding: chunked\r\n\r\n"
FOLDS = b"\r\n b" * 16_384
ANY_FLOOD = FLOODS | {
    "a folded header": (OK_WITH + b"x: a", FOLDS),
    "a header folded without CR": (OK_WITH + b"x: a", b"\n b" * 16_384),
    "a folded header after early hints": (b"HTTP/1.1 103 Early\r\n\r\n" + OK_WITH + b"x: a", FOLDS),
    "a folded trailer": (CHUNKED + b"0\r\nx: a", FOLDS),
    "folded headers": (OK_WITH, (b"x: a" + b"\r\n b" * 400 + b"\r\n") * 40),
    "early hints of many lines": (b"", (b"HTTP/1.1 103 Early\r\n" + b"x: y\r\n" * 120 + b"\r\n") * 100),
}


async def longest_hold(during: "asyncio.Future[list[Answer]]") -> float:
    """Return for how many seconds at most nothing else was done meanwhile."""
    longest, last = 0.0, time.perf_counter()
    while not during.done():
        await asyncio.sleep(0.001)
        longest, last = max(longest, time.perf_counter() - last), time.perf_counter()
    return longest


@pytest.mark.parametrize("name", ANY_FLOOD)
@on_both_loops
def test_no_flood_holds_up_the_others(loop: LoopFactory, name: str) -> None:
    async def scenario(url: str) -> tuple[list[Answer], float]:
        asyncio.get_running_loop().set_debug(False)  # it slows every step
        async with client() as made:
            flooded = asyncio.gather(*(send(url, by=made, deadline_s=1) for _ in range(10)))
            held_s = await longest_hold(flooded)
            return await flooded, held_s

    with flooding(*ANY_FLOOD[name]) as url:
        answers, held_s = run(scenario(url), loop=loop)

    assert all(answer.status == 200 or answer.error for answer in answers)
    assert held_s < 0.25


@pytest.mark.parametrize("line", [b"x: a\r\n b\r\n\tc\r\n", b"x: a\n b\n\tc\n", b"x: a b\x01\tc\r\n"])
def test_a_line_that_is_folded_or_odd_is_read(line: bytes) -> None:
    async def scenario() -> Answer:
        answer = OK_WITH + line + b"content-length: 2\r\n\r\nok"
        async with receiver(answering(answer)) as it, client() as made:
            return await send(it.url(), by=made)

    answer = run(scenario())

    assert answer.status == 200
    assert answer.headers["x"].replace("\x01", "") == "a b\tc"


def test_after_a_long_answer_a_folded_line_is_read() -> None:
    async def scenario() -> tuple[list[Answer], int]:
        body = b"content-length: 10000\r\n\r\n" + b"x" * 10_000
        answer = OK_WITH + b"x: a\r\n b\r\n" + body
        async with receiver(answering(answer)) as it, client() as made:
            return [await send(it.url(), by=made) for _ in range(3)], it.opened

    answers, opened = run(scenario())

    assert [answer.headers.get("x") for answer in answers] == ["a b"] * 3
    assert opened == 1


def test_what_is_glued_to_an_answer_is_nobodys_where_leniency_ends_too() -> None:
    async def scenario() -> int:
        head = OK_WITH + b"content-length: 8000\r\nx: "
        padding = b"y" * (LENIENT_BYTES - len(head) - 4 - 8000)
        answer = head + padding + b"\r\n\r\n" + b"x" * 8000
        assert len(answer) == LENIENT_BYTES
        async with receiver(answering(answer + OK_WITH)) as it, client() as made:
            assert [(await send(it.url(), by=made)).status for _ in range(2)] == [200, 200]
            return it.opened

    assert run(scenario()) == 2


def test_more_lines_after_a_body_than_in_a_head_end_the_answer() -> None:
    async def scenario() -> Answer:
        trailers = CHUNKED + b"2\r\nok\r\n0\r\n" + b"x: y\r\n" * 129 + b"\r\n"
        async with receiver(answering(trailers)) as it, client() as made:
            return await send(it.url(), by=made)

    answer = run(scenario())

    assert (answer.status, answer.error, answer.body) == (200, ErrorKind.PROTOCOL, b"ok")


def test_an_answer_that_is_long_without_head_or_body_ends_at_a_megabyte() -> None:
    async def scenario(url: str) -> Answer:
        async with client() as made:
            return await send(url, by=made)

    with flooding(*FLOODS["an extension of a chunk"]) as url:
        answer = run(scenario(url))

    assert (answer.status, answer.error) == (200, ErrorKind.PROTOCOL)
