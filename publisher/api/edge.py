"""What holds for every request: HEAD is GET without a body, no sniffing, no endless crowd."""

from collections.abc import Mapping

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from publisher.api.problems import unavailable

_HEADERS: Mapping[bytes, bytes] = {
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"x-frame-options": b"DENY",
}


class Edge:
    """ASGI middleware around everything else."""

    def __init__(self, app: ASGIApp, *, crowded: int = 200) -> None:
        """Wrap the application.

        Args:
            crowded: API requests at once; who comes on top is asked to come back later.
        """
        self._app = app
        self._crowded = crowded
        self._inside = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        send = _with_headers(send)
        if scope["method"] == "HEAD":
            # The server has its own scope, so it still knows that no body may follow.
            scope = {**scope, "method": "GET"}
            send = _without_body(send)
        if scope["path"].startswith("/v1/"):
            await self._one_of_many(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _one_of_many(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._inside >= self._crowded:
            problem = unavailable("too many requests are waiting; come back later", status=429)
            await problem.response()(scope, receive, send)
            return
        self._inside += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._inside -= 1


def _with_headers(send: Send) -> Send:
    async def send_more(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", ()))
            present = {name.lower() for name, _ in headers}
            headers += [(name, value) for name, value in _HEADERS.items() if name not in present]
            message = {**message, "headers": headers}
        await send(message)

    return send_more


def _without_body(send: Send) -> Send:
    async def send_less(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return send_less
