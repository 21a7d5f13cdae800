"""Feeds and pages on a real server, on a free port, as readers meet them."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
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
    server = uvicorn.Server(
        uvicorn.Config(_site(sessions, values), log_config=None, access_log=False, lifespan="off")
    )
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        try:
            eventually(lambda: server.started, within_s=20)
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
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
