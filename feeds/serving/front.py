"""What is in memory, and good, is answered at once: no thread, no framework, no look into the record.

But for private feeds, whose tokens are looked up each time: a token may be void by now, and an article gone.
"""

import time
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError
from starlette.types import ASGIApp, Receive, Scope, Send

from feeds.catalog import PRIVATE, PrivateAddress
from feeds.search.address import SEARCH_PATH
from feeds.serving.answer import Asked, answer_at_once
from feeds.serving.document import Document
from feeds.serving.shelf import Shelf
from feeds.serving.tokens import TokenLookups


class FeedFront:
    """ASGI middleware around everything else: answers for feeds from memory, and leaves the rest alone.

    HEAD is answered like GET: the server knows that no body may follow.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        shelf: Shelf,
        tokens: TokenLookups,
        on_answered: Callable[[str, float], None] = lambda _status, _seconds: None,
    ) -> None:
        """Wrap the application.

        Args:
            on_answered: hears the status of each answer from memory, and how many seconds it took.
        """
        self._app = app
        self._shelf = shelf
        self._tokens = tokens
        self._on_answered = on_answered

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if (
            scope["type"] != "http"
            or not scope["path"].startswith("/feeds/")
            or scope["method"] not in ("GET", "HEAD")
        ):
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        document = await self._found(_key(scope))
        answer = answer_at_once(document, Asked.of(scope["headers"])) if document else None
        if answer is None:
            await self._app(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        await send({"type": "http.response.body", "body": answer.body})
        self._on_answered(str(answer.status), time.perf_counter() - began)

    async def _found(self, path: str) -> Document | None:
        if not path.startswith(PRIVATE):
            return self._shelf.good(path)
        kept, address = self._shelf.asked(path), PrivateAddress.parse(path)
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
