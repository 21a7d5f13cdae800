"""What is in memory, and good, is answered at once: no thread, no framework, no look into the record."""

from starlette.types import ASGIApp, Receive, Scope, Send

from feeds.serving.answer import Asked, answer_with
from feeds.serving.shelf import Shelf


class FeedFront:
    """ASGI middleware: answers for feeds from memory, and leaves all else to the application."""

    def __init__(self, app: ASGIApp, *, shelf: Shelf) -> None:
        self._app = app
        self._shelf = shelf

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] != "GET" or not scope["path"].startswith("/feeds/"):
            await self._app(scope, receive, send)
            return
        document = self._shelf.good(scope["path"])
        asked = Asked.of(scope["headers"]) if document else None
        # What is not packed yet is packed where that holds nobody up.
        packed = document.packed(asked.coding) if document and asked and asked.coding else None
        if document is None or asked is None or packed is None:
            await self._app(scope, receive, send)
            return
        answer = answer_with(document, packed, asked)
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        await send({"type": "http.response.body", "body": answer.body})
