"""Bodies are refused at the limit, and when all together hold too much; a request is answered once."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from publisher.api import body_limit
from publisher.api.body_limit import BodyLimit

LIMIT = 10
SCOPE: Scope = {"type": "http", "path": "/", "headers": []}
Application = Callable[[Receive, Send], Awaitable[None]]


@pytest.fixture(autouse=True)
def _little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    # All together may hold twice what one may.
    monkeypatch.setattr(body_limit, "_MOST_HELD_BYTES", 2 * LIMIT)


class Client:
    """Sends a body in chunks, and notes what it is answered."""

    def __init__(self, *chunks: bytes, ends: bool = True) -> None:
        self._left = [
            {"type": "http.request", "body": chunk, "more_body": number < len(chunks) or not ends}
            for number, chunk in enumerate(chunks, 1)
        ]
        self.heard: list[Message] = []

    async def receive(self) -> Message:
        return self._left.pop(0) if self._left else {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.heard.append(message)

    @property
    def statuses(self) -> Sequence[int]:
        """Of the answers that began: one, as a rule."""
        return [one["status"] for one in self.heard if one["type"] == "http.response.start"]

    @property
    def ended(self) -> bool:
        """Whether an answer came to its end."""
        return any(one["type"] == "http.response.body" and not one.get("more_body") for one in self.heard)


def limited(application: Application) -> BodyLimit:
    async def app(_: Scope, receive: Receive, send: Send) -> None:
        await application(receive, send)

    return BodyLimit(app, limit=LIMIT)


def ask(limit: BodyLimit, client: Client) -> None:
    asyncio.run(limit(SCOPE, client.receive, client.send))


async def begin(send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})


async def end(send: Send) -> None:
    await send({"type": "http.response.body", "body": b""})


async def read(receive: Receive) -> int:
    """Return how many bytes came."""
    size, more = 0, True
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    return size


async def read_and_answer(receive: Receive, send: Send) -> None:
    await read(receive)
    await begin(send)
    await end(send)


async def answer_and_read(receive: Receive, send: Send) -> None:
    await begin(send)
    await read(receive)
    await end(send)


async def ignore_what_is_raised(receive: Receive, send: Send) -> None:
    for _ in range(5):
        with suppress(Exception):
            await receive()
    with suppress(Exception):
        await begin(send)


async def raise_something_else(receive: Receive, _: Send) -> None:
    try:
        await read(receive)
    except Exception as error:
        raise ExceptionGroup("in a task group", [error]) from None


@pytest.mark.parametrize("application", [read_and_answer, ignore_what_is_raised, raise_something_else])
def test_whatever_the_application_makes_of_it_a_large_body_is_answered_once(application: Application) -> None:
    client = Client(b"x" * LIMIT, b"x")

    ask(limited(application), client)

    assert client.statuses == [413]
    assert client.ended


def test_an_answer_that_has_begun_is_cut_off_and_not_begun_again() -> None:
    client = Client(b"x" * LIMIT, b"x")

    ask(limited(answer_and_read), client)

    assert client.statuses == [200]
    assert not client.ended


def test_what_the_application_itself_raises_stays_an_error() -> None:
    async def fail(receive: Receive, _: Send) -> None:
        await read(receive)
        raise LookupError

    with pytest.raises(LookupError):
        ask(limited(fail), Client(b"x"))


def _while_others_hold_all(application: Application, client: Client) -> Client:
    """Ask while two others have sent all that fits, and wait."""

    async def crowd() -> None:
        over = asyncio.Event()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            if scope is not SCOPE:
                await receive()
                await over.wait()
            else:
                await application(receive, send)

        limit = BodyLimit(app, limit=LIMIT)
        others = [Client(b"x" * LIMIT, ends=False) for _ in range(2)]
        waiting = [asyncio.create_task(limit({**SCOPE}, one.receive, one.send)) for one in others]
        await asyncio.sleep(0)
        await limit(SCOPE, client.receive, client.send)
        over.set()
        await asyncio.gather(*waiting)

    asyncio.run(crowd())
    return client


@pytest.mark.parametrize(
    ("chunks", "status"), [((b"xx",), 200), ((b"x", b"x"), 503), ((b"",), 200), ((b"x" * (LIMIT + 1),), 413)]
)
def test_only_who_has_not_sent_all_yet_is_turned_away_for_what_others_hold(
    chunks: Sequence[bytes], status: int
) -> None:
    client = _while_others_hold_all(read_and_answer, Client(*chunks))

    assert client.statuses == [status]
    assert client.ended


def test_who_is_being_answered_is_not_turned_away_for_what_others_hold() -> None:
    client = _while_others_hold_all(answer_and_read, Client(b"x", b"x"))

    assert client.statuses == [200]
    assert client.ended


@pytest.mark.parametrize("application", [read_and_answer, ignore_what_is_raised, raise_something_else])
def test_what_was_held_is_free_afterwards(application: Application) -> None:
    limit = limited(application)

    for chunks in [(b"x" * LIMIT, b"x"), (b"x", b"x"), (b"x" * LIMIT, *[b"x"] * 4)]:
        ask(limit, Client(*chunks))

    assert vars(limit)["_held"] == 0


def test_a_body_of_just_the_limit_is_read() -> None:
    sizes: list[Any] = []

    async def note(receive: Receive, send: Send) -> None:
        sizes.append(await read(receive))
        await begin(send)
        await end(send)

    ask(limited(note), Client(b"x" * (LIMIT - 1), b"x"))

    assert sizes == [LIMIT]
