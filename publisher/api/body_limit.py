"""No request body is read further than the limit, declared or chunked."""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import replace

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from publisher.api.problems import Problem, unavailable

# Who was answered while still sending is listened to a little longer: a connection that is reset at once
# may take the answer with it.
_DRAIN_BYTES = 4_000_000
_DRAIN_S = 2.0
# Of all bodies together, whoever sends them: a crowd that sends slowly must not fill the memory.
_MOST_HELD_BYTES = 100_000_000
_CLOSE = {"Connection": "close"}


class BodyLimit:
    """ASGI middleware: answers 413 as soon as a body is, or says that it will be, too large.

    What all requests together hold in memory is limited, too: who comes on top is asked to come back later.
    """

    def __init__(self, app: ASGIApp, *, limit: int, streamed: Collection[str] = ()) -> None:
        """Wrap the application.

        Args:
            limit: bytes.
            streamed: paths that watch over their bodies themselves.
        """
        self._app = app
        self._limit = limit
        self._streamed = frozenset(streamed)
        self._most_held = max(_MOST_HELD_BYTES, 2 * limit)
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["path"] in self._streamed:
            await self._app(scope, receive, send)
        elif _declared(scope) > self._limit:
            await _refuse(_too_large(self._limit), receive, send)
        else:
            await self._watch(scope, receive, send)

    async def _watch(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = _Body(receive, send, self._take)
        try:
            await self._app(scope, body.receive, body.send)
        except Exception:
            # Whatever the application made of our exception, it is no error.
            if body.refusal is None:
                raise
        finally:
            self._held -= body.taken
        # An answer that has begun cannot be taken back: without its end the server closes the connection.
        if body.refusal is not None and not body.answered:
            await _refuse(body.refusal, receive, send)

    def _take(self, body: "_Body", more: int) -> Problem | None:
        """Count what a request holds more than before; return why it cannot be let in, if so."""
        body.taken += more
        self._held += more
        return self._judge(body)

    def _judge(self, body: "_Body") -> Problem | None:
        if body.taken > self._limit:
            return _too_large(self._limit)
        # Who has all of its body, or an answer, is not turned away for what others hold.
        if not body.complete and not body.answered and self._held > self._most_held:
            refusal = unavailable("too many bodies are being received; come back later")
            return replace(refusal, headers={**refusal.headers, **_CLOSE})
        return None


class _Body:
    """The body of one request, on its way in.

    Attributes:
        taken: bytes of it, until now.
        complete: whether nothing more of it comes.
        answered: whether the answer has begun.
        refusal: once it was refused; nothing passes either way from then on.
    """

    def __init__(self, receive: Receive, send: Send, take: Callable[["_Body", int], Problem | None]) -> None:
        self.taken = 0
        self.complete = False
        self.answered = False
        self.refusal: Problem | None = None
        self._receive = receive
        self._send = send
        self._take = take

    async def receive(self) -> Message:
        self._expect_admission()
        message = await self._receive()
        self.complete = not message.get("more_body", False)
        self.refusal = self._take(self, len(message.get("body", b"")))
        self._expect_admission()
        return message

    async def send(self, message: Message) -> None:
        self._expect_admission()
        self.answered = True
        await self._send(message)

    def _expect_admission(self) -> None:
        if self.refusal is not None:
            raise _Refused


class _Refused(Exception):
    """The body cannot be let in."""


def _too_large(limit: int) -> Problem:
    return Problem(status=413, detail=f"the body is larger than {limit:,} bytes", headers=_CLOSE)


async def _refuse(problem: Problem, receive: Receive, send: Send) -> None:
    response = problem.response()
    await send(
        {"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers}
    )
    await send({"type": "http.response.body", "body": response.body, "more_body": True})
    await _drain(receive)
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _declared(scope: Scope) -> int:
    length = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    # Servers refuse what is no number before it comes here.
    return int(length) if length.isdigit() else 0


async def _drain(receive: Receive) -> None:
    left = _DRAIN_BYTES
    try:
        async with asyncio.timeout(_DRAIN_S):
            while left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                if message["type"] != "http.request" or not message.get("more_body"):
                    return
    except TimeoutError:
        return
