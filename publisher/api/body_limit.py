"""No request body is read further than the limit, declared or chunked."""

import asyncio
from collections.abc import Collection

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from publisher.api.problems import Problem

# Who was answered while still sending is listened to a little longer: a connection that is reset at once
# may take the answer with it.
_DRAIN_BYTES = 4_000_000
_DRAIN_S = 2.0


class BodyLimit:
    """ASGI middleware: answers 413 as soon as a body is, or says that it will be, too large."""

    def __init__(self, app: ASGIApp, *, limit: int, streamed: Collection[str] = ()) -> None:
        """Wrap the application.

        Args:
            limit: bytes.
            streamed: paths that watch over their bodies themselves.
        """
        self._app = app
        self._limit = limit
        self._streamed = frozenset(streamed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["path"] in self._streamed:
            await self._app(scope, receive, send)
        elif _declared(scope) > self._limit:
            await self._refuse(scope, receive, send)
        else:
            await self._watch(scope, receive, send)

    async def _watch(self, scope: Scope, receive: Receive, send: Send) -> None:
        taken = 0
        started = False

        async def receive_some() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self._limit:
                raise _TooLarge
            return message

        async def send_unless_too_large(message: Message) -> None:
            # Whatever the application made of the exception, the answer is ours.
            nonlocal started
            if taken > self._limit and not started:
                raise _TooLarge
            started = True
            await send(message)

        try:
            await self._app(scope, receive_some, send_unless_too_large)
        except _TooLarge:
            await self._refuse(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        detail = f"the body is larger than {self._limit:,} bytes"
        response = Problem(status=413, detail=detail, headers={"Connection": "close"}).response()
        start = {"type": "http.response.start", "status": 413, "headers": response.raw_headers}
        await send(start)
        await send({"type": "http.response.body", "body": response.body, "more_body": True})
        await _drain(receive)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class _TooLarge(Exception):
    """The body went past the limit."""


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
