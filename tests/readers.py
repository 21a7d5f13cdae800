"""Feeds and pages on a real server, on a free port, as readers meet them."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI

from feeds.directories_http import directories_router
from feeds.http import feeds_router, pages_router
from feeds.hub_http import hub_router
from feeds.serving.front import FeedFront
from feeds.serving.shelf import Shelf
from feeds.serving.store import FeedStore
from feeds.serving.tokens import TokenLookups
from feeds.style import FeedStyle
from publisher.api.context import ApiContext
from publisher.api.edge import Edge
from publisher.api.key_ring import KeyRing
from publisher.api.problems import install_problems
from publisher.database import Sessions
from publisher.notify.secrets.box import SecretBox
from publisher.settings import load_settings
from tests.stages.articles import STYLE
from tests.waiting import eventually

_ENDS_WITHIN_S = 10
_SECRET = "a secret key for tests only"
BOX = SecretBox(_SECRET)


class _SiteServer(uvicorn.Server):
    """Ends when it is told to; uvicorn looks every tenth of a second, and then waits for another."""

    _loop: asyncio.AbstractEventLoop | None = None

    def end(self) -> None:
        """Answer what was begun, and end."""
        self.should_exit = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._told.set)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        self._loop, self._told = asyncio.get_running_loop(), asyncio.Event()
        await super().startup(sockets)

    async def main_loop(self) -> None:
        """Do every tenth of a second what is to be done, until the end."""
        counter = 0
        while not await self.on_tick(counter):
            counter += 1
            with suppress(TimeoutError):
                await asyncio.wait_for(self._told.wait(), 0.1)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Hear out whoever is connected."""
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        while self.server_state.connections or self.server_state.tasks:
            await asyncio.sleep(0.001)


@contextmanager
def running_site(sessions: Sessions, **settings: Any) -> Iterator[str]:
    """Serve readers, and no API, from a thread; yield the address, without a slash at the end.

    Args:
        settings: on top of those that articles in tests are rendered with.
    """
    values = {
        "feed_title": STYLE.title,
        "feed_author": STYLE.author,
        "language": STYLE.language,
        "base_url": STYLE.base_url,
        "secret_key": _SECRET,
        **settings,
    }
    server = _SiteServer(
        uvicorn.Config(_site(sessions, values), log_config=None, access_log=False, lifespan="off")
    )
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        try:
            eventually(lambda: server.started, within_s=20)
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.end()
            thread.join(_ENDS_WITHIN_S)


@contextmanager
def reading(sessions: Sessions, **settings: Any) -> Iterator[httpx.Client]:
    """Serve readers, and yield one of them; it asks for nothing in particular."""
    with running_site(sessions, **settings) as url, httpx.Client(base_url=url, trust_env=False) as client:
        # httpx would ask for compression, and hide it.
        client.headers.pop("accept-encoding")
        client.headers.pop("accept")
        yield client


def _site(sessions: Sessions, values: dict[str, Any]) -> FastAPI:
    context = ApiContext(settings=load_settings(**values), sessions=sessions, keys=KeyRing(sessions), box=BOX)
    # Nobody tells this shelf any news: every document is compared with the record each time.
    shelf = Shelf(64_000_000, good_for_s=0)
    app = FastAPI(openapi_url=None, redirect_slashes=False)
    app.include_router(feeds_router(FeedStore(sessions, FeedStyle.of(context.settings), shelf)))
    app.include_router(pages_router(context))
    app.include_router(directories_router(context))
    app.include_router(hub_router(context))
    install_problems(app)
    app.add_middleware(FeedFront, shelf=shelf, tokens=TokenLookups(sessions))
    app.add_middleware(Edge)
    return app
