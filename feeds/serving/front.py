"""What is in memory, and good, is answered at once: no thread, no framework, no look into the record.

But for private feeds, whose tokens are looked up each time: a token may be void by now, and an article gone.
"""

from sqlalchemy.exc import SQLAlchemyError
from starlette.types import ASGIApp, Receive, Scope, Send

from feeds.catalog import PRIVATE, PrivateAddress
from feeds.search.address import SEARCH_PATH
from feeds.serving.answer import Asked, answer_with
from feeds.serving.document import Document
from feeds.serving.shelf import Shelf
from feeds.serving.tokens import TokenLookups


class FeedFront:
    """ASGI middleware: answers for feeds from memory, and leaves all else to the application."""

    def __init__(self, app: ASGIApp, *, shelf: Shelf, tokens: TokenLookups) -> None:
        self._app = app
        self._shelf = shelf
        self._tokens = tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] != "GET" or not scope["path"].startswith("/feeds/"):
            await self._app(scope, receive, send)
            return
        document = await self._found(_key(scope))
        if document is None or not await _answered(document, scope, send):
            await self._app(scope, receive, send)

    async def _found(self, path: str) -> Document | None:
        if not path.startswith(PRIVATE):
            return self._shelf.good(path)
        kept, address = self._shelf.last(path), PrivateAddress.parse(path)
        if kept is None or address is None:
            return None
        try:
            standing = await self._tokens.standing(address.token)
        except SQLAlchemyError:
            return None  # the application tells why
        return kept if standing is not None and standing.generation == kept.generation else None


def _key(scope: Scope) -> str:
    """Return what the document is kept under; the address of a search goes on behind the question mark."""
    path: str = scope["path"]
    return f"{path}?{scope['query_string'].decode('latin-1')}" if path.startswith(SEARCH_PATH) else path


async def _answered(document: Document, scope: Scope, send: Send) -> bool:
    asked = Asked.of(scope["headers"])
    # What is not packed yet is packed where that holds nobody up.
    packed = document.packed(asked.coding) if asked.coding else None
    if packed is None:
        return False
    answer = answer_with(document, packed, asked)
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
    await send({"type": "http.response.body", "body": answer.body})
    return True
