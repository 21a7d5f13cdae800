"""No endless crowd: so many requests of the API are let in at once."""

from starlette.types import ASGIApp, Receive, Scope, Send

from publisher.api.problems import unavailable


class Crowd:
    """ASGI middleware: answers 429 to whoever comes on top."""

    def __init__(self, app: ASGIApp, *, most: int = 200) -> None:
        """Wrap the application.

        Args:
            most: requests of the API at once.
        """
        self._app = app
        self._most = most
        self._inside = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or not scope["path"].startswith("/v1/"):
            await self._app(scope, receive, send)
            return
        if self._inside >= self._most:
            problem = unavailable("too many requests are waiting; come back later", status=429)
            await problem.response()(scope, receive, send)
            return
        self._inside += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._inside -= 1
