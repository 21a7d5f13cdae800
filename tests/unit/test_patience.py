"""Whoever waits for us too long is told so; whoever we wait for is not hurried."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import httpx
import pytest
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from publisher.api.patience import Patience

WITHIN_S = 0.05


class Handler:
    """An application that takes its time before it answers 201, and notes what became of it."""

    def __init__(self, *, after_s: float = 0.0) -> None:
        self.after_s = after_s
        self.ended = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive()).get("more_body"):
            pass
        await asyncio.sleep(self.after_s)
        await send({"type": "http.response.start", "status": 201, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})
        self.ended.set()


@asynccontextmanager
async def client_of(app: ASGIApp) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client of the application behind our patience."""
    transport = httpx.ASGITransport(app=Patience(app, within_s=WITHIN_S, streamed=["/streamed"]))
    async with httpx.AsyncClient(transport=transport, base_url="http://news.example") as client:
        yield client


def test_an_answer_in_time_is_passed_on() -> None:
    async def run() -> httpx.Response:
        async with client_of(Handler()) as client:
            return await client.get("/")

    answer = asyncio.run(run())

    assert (answer.status_code, answer.text) == (201, "done")


def test_who_waits_too_long_is_asked_to_come_back_and_the_work_goes_on() -> None:
    async def run() -> httpx.Response:
        slow = Handler(after_s=4 * WITHIN_S)
        async with client_of(slow) as client:
            answer = await client.post("/", content=b"article")
            assert not slow.ended.is_set()
            await asyncio.wait_for(slow.ended.wait(), 5)
            return answer

    answer = asyncio.run(run())

    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert "send it again" in answer.json()["detail"]


@pytest.mark.parametrize("path", ["/", "/streamed"])
def test_who_sends_slowly_is_not_hurried(path: str) -> None:
    async def body() -> AsyncIterator[bytes]:
        for _ in range(4):
            await asyncio.sleep(WITHIN_S)
            yield b"a part"

    async def run() -> httpx.Response:
        async with client_of(Handler(after_s=2 * WITHIN_S if path == "/streamed" else 0.0)) as client:
            return await client.post(path, content=body())

    assert asyncio.run(run()).status_code == 201


def test_who_leaves_is_no_bug_of_ours() -> None:
    async def leaves(scope: Scope, receive: Receive, send: Send) -> None:
        raise ClientDisconnect

    sent: Sequence[Message] = asyncio.run(_serve_once(leaves))

    assert sent == []


def test_a_bug_is_still_one() -> None:
    async def fails(scope: Scope, receive: Receive, send: Send) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(_serve_once(fails))


async def _serve_once(app: ASGIApp) -> list[Message]:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    await Patience(app, within_s=WITHIN_S)({"type": "http", "path": "/"}, receive, send)
    return sent
