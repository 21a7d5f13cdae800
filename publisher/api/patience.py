"""Nobody waits for ever for an answer: whatever it is that keeps us, who asks is told to come back later."""

import asyncio
from collections.abc import Collection
from contextlib import suppress
from functools import partial

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from publisher.api.problems import unavailable

PATIENCE_S = 30.0
"""How long we may be at work on a request before its answer begins; waiting for its body does not count."""


class Patience:
    """ASGI middleware: answers 503 when the application does not answer in time.

    The application is not disturbed, since it may be in the middle of a transaction, in a thread; what it
    answers later is dropped. The same request again finds what it has stored.
    """

    def __init__(self, app: ASGIApp, *, within_s: float = PATIENCE_S, streamed: Collection[str] = ()) -> None:
        """Wrap the application.

        Args:
            streamed: paths whose answers begin when they have something to tell.
        """
        self._app = app
        self._within_s = within_s
        self._streamed = frozenset(streamed)
        self._left: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["path"] in self._streamed:
            await self._app(scope, receive, send)
            return
        watch = _Watch(receive, send, self._within_s)
        working = asyncio.ensure_future(self._app(scope, watch.receive, watch.send))
        try:
            await asyncio.wait({working, watch.overdue}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            watch.end()
            if not watch.overdue.done():
                working.cancel()
        if not watch.overdue.done():
            # Who has left in the middle of its body is owed no answer.
            with suppress(ClientDisconnect):
                working.result()
            return
        self._left.add(working)
        working.add_done_callback(self._let_go)
        problem = unavailable("we are too busy to answer; what was sent may have been stored, send it again")
        await problem.response()(scope, receive, send)

    def _let_go(self, working: asyncio.Task[None]) -> None:
        self._left.discard(working)
        # Whatever it was, the client was answered.
        if not working.cancelled():
            working.exception()


class _Watch:
    """One request: how long nothing has come of it, while it was ours to do something.

    Attributes:
        overdue: done when that was too long; nothing passes to the client from then on.
    """

    def __init__(self, receive: Receive, send: Send, within_s: float) -> None:
        loop = asyncio.get_running_loop()
        self.overdue: asyncio.Future[None] = loop.create_future()
        self._receive = receive
        self._send = send
        self._wait = partial(loop.call_later, within_s, self._give_up)
        self._timer = self._wait()
        self._silent = False
        self._begun = False

    async def receive(self) -> Message:
        self._timer.cancel()
        message = await self._receive()
        if not self._begun and not self._silent:
            self._timer = self._wait()
        return message

    async def send(self, message: Message) -> None:
        if self._silent:
            return
        self._begun = True
        self._timer.cancel()
        await self._send(message)

    def end(self) -> None:
        self._timer.cancel()

    def _give_up(self) -> None:
        self._silent = True
        self.overdue.set_result(None)
