"""The web process: the API, feeds and pages, composed from their routers."""

import gc
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import uvicorn
from fastapi import FastAPI

from feeds.catalog import private_urls
from feeds.directories_http import directories_router
from feeds.feed import FeedFormat
from feeds.http import feeds_router, pages_router
from feeds.hub_http import hub_router
from feeds.serving.front import FeedFront
from feeds.serving.shelf import Shelf
from feeds.serving.store import FeedStore
from feeds.serving.tokens import TokenLookups
from feeds.style import FeedStyle
from feeds.words import FORMAT_NAMES
from publisher import __version__
from publisher.api.articles import BATCH_PATH, articles_router
from publisher.api.body_limit import BodyLimit
from publisher.api.context import ApiContext
from publisher.api.crowd import Crowd
from publisher.api.docs import Alternate, install_docs
from publisher.api.edge import Edge
from publisher.api.endpoints import endpoints_router
from publisher.api.health import health_router
from publisher.api.key_ring import KeyRing
from publisher.api.patience import Patience
from publisher.api.private_feeds import private_feeds_router
from publisher.api.problems import install_problems
from publisher.api.replaying import replaying_router
from publisher.database import Sessions
from publisher.notify.secrets.box import SecretBox
from publisher.settings import Settings
from workers.feed_news import heard_news
from workers.http_server import HttpServer
from workers.metrics.requests import MeasuredRequests, WebMeters
from workers.tracing.requests import TracedRequests
from workers.tracing.spans import Spans

_ROUTERS = (
    *(articles_router, endpoints_router, replaying_router),
    *(pages_router, directories_router, hub_router, health_router),
)
_DESCRIPTION = """
Articles in; RSS, Atom and JSON feeds and signed webhooks out.

Every request carries `Authorization: Bearer pub_…` (`publisher key create` makes a key). Every error is
`application/problem+json`. Repeat a POST safely with an `Idempotency-Key`. Instants are RFC 3339.
"""
_STOPPING_S = 10
# Longer than proxies and clients keep theirs: who closes second never resets a request that is on its way.
_KEEP_ALIVE_S = 75


def create_app(
    settings: Settings, sessions: Sessions, *, meters: WebMeters, spans: Spans | None = None
) -> FastAPI:
    """Return the application; it disposes of the sessions' engine when it ends.

    Args:
        spans: None: nobody traces.

    Raises:
        SettingsError: when PUBLISHER_SECRET_KEY is not set.
    """
    style = FeedStyle.of(settings)
    shelf = Shelf(settings.feed_memory_mb * 1_000_000)
    store = FeedStore(sessions, style, shelf)
    context = ApiContext(
        settings=settings,
        sessions=sessions,
        keys=KeyRing(sessions),
        box=SecretBox.of(settings),
        on_accepted=meters.accepted,
    )
    app = _routed(context, store, shelf)
    # Each around those before it.
    app.add_middleware(BodyLimit, limit=settings.max_body_bytes, streamed=[BATCH_PATH])
    app.add_middleware(Crowd)
    app.add_middleware(Patience, streamed=[BATCH_PATH])
    app.add_middleware(Edge)
    if spans is not None:
        app.add_middleware(TracedRequests, spans=spans)
    app.add_middleware(MeasuredRequests, meters=meters)
    app.middleware_stack = FeedFront(
        app.build_middleware_stack(),
        shelf=shelf,
        tokens=TokenLookups(sessions),
        on_answered=meters.answered_from_memory,
    )
    return app


def _routed(context: ApiContext, store: FeedStore, shelf: Shelf) -> FastAPI:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with heard_news(context.settings.direct_url(), store, shelf):
            yield
        context.sessions.kw["bind"].dispose()

    app = FastAPI(
        title="Publisher",
        version=__version__,
        description=_DESCRIPTION,
        lifespan=lifespan,
        openapi_url=None,
        redirect_slashes=False,
    )
    for make_router in _ROUTERS:
        app.include_router(make_router(context))
    app.include_router(private_feeds_router(context, partial(private_urls, context.settings.base_url)))
    app.include_router(feeds_router(store))
    install_docs(app, _feeds_of(context.settings))
    install_problems(app)
    return app


def _feeds_of(settings: Settings) -> list[Alternate]:
    return [
        Alternate(
            title=f"{settings.feed_title} ({FORMAT_NAMES[one]})",
            media_type=one.media_type,
            url=f"{settings.base_url}/feeds/all.{one}",
        )
        for one in FeedFormat
    ]


def serve(app: FastAPI, *, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT; then answer what was begun, and return."""
    server = server_of(app, host=host, port=port)
    # What lives as long as the process is not looked at again and again (a tenth of the time: measured).
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)
    # Whoever stores articles waits so long for the interpreter after each answer of the database.
    sys.setswitchinterval(0.001)
    server.run()


def server_of(app: FastAPI, *, host: str, port: int) -> HttpServer:
    """Return the server of an application; logs go where the process's logs go."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        loop="uvloop",
        http="httptools",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_STOPPING_S,
        timeout_keep_alive=_KEEP_ALIVE_S,
    )
    return HttpServer(config)
