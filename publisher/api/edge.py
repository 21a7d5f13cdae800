"""What holds for every request: HEAD is GET without a body, and no sniffing."""

from collections.abc import Mapping

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HEADERS: Mapping[bytes, bytes] = {
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"x-frame-options": b"DENY",
}


class Edge:
    """ASGI middleware around everything else."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap the application."""
        self._app = app

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
        await self._app(scope, receive, send)


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
