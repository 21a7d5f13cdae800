"""The API on a real server, on a free port, over a real database."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import uvicorn
from prometheus_client import CollectorRegistry
from sqlalchemy import Engine, func, select

from publisher.access import Scope, create_key
from publisher.database import Sessions, connect, sessions
from publisher.events import EventType, Routes
from publisher.schema import ArticleRow, EventRow, RevisionRow
from publisher.settings import Settings, load_settings
from workers.metrics.requests import WebMeters
from workers.tracing.spans import Spans
from workers.web import create_app, server_of

ROUTES: Routes = {
    EventType.ARTICLE_RECEIVED: ("enrich",),
    EventType.ARTICLE_RETRACTED: ("feeds", "fan_out"),
    EventType.ENDPOINT_TEST: ("fan_out",),
    EventType.ENDPOINT_DISABLED: ("fan_out",),
    EventType.REPLAY_REQUESTED: ("replay",),
}
_STARTS_WITHIN_S = 20


@dataclass(frozen=True, kw_only=True)
class Api:
    """A running API.

    Attributes:
        url: without a slash at the end.
        registry: what its metrics are read from.
    """

    url: str
    settings: Settings
    sessions: Sessions
    server: uvicorn.Server
    registry: CollectorRegistry

    def stop(self) -> None:
        """Ask the server to end, as SIGTERM does."""
        self.server.should_exit = True

    def key(self, *scopes: Scope) -> str:
        """Return a new key with these scopes."""
        with self.sessions.begin() as session:
            return create_key(session, name="a test", scopes=scopes)[1]

    def client(self, *scopes: Scope) -> httpx.Client:
        """Return a client that carries a new key with these scopes; none: without a key."""
        headers = {"Authorization": f"Bearer {self.key(*scopes)}"} if scopes else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=30, trust_env=False)

    def stored(self) -> dict[str, int | None]:
        """Return how many rows of each kind there are: equal before and after means nothing was stored."""
        tables = {"articles": ArticleRow, "revisions": RevisionRow, "events": EventRow}
        with self.sessions() as session:
            return {
                name: session.scalar(select(func.count()).select_from(row)) for name, row in tables.items()
            }


def article(**members: Any) -> dict[str, Any]:
    """Return an article as clients send it, with a guid of its own."""
    return {"guid": f"test:{uuid4()}", "title": "Mưa lớn ở Đà Nẵng", "content_text": "Nước lên.", **members}


@contextmanager
def running_api(
    postgres_url: str, *, engine: Engine | None = None, spans: Spans | None = None, **settings: Any
) -> Iterator[Api]:
    """Run the API in a thread; the settings are on top of those that tests need."""
    registry = CollectorRegistry()
    needed = {
        "database_url": postgres_url,
        "base_url": "https://news.example.org",
        "secret_key": "a key for tests only",
    }
    chosen = load_settings(**{**needed, **settings})
    engine = engine or connect(postgres_url, pool_size=10)
    factory = sessions(engine, ROUTES)
    app = create_app(chosen, factory, meters=WebMeters(registry), spans=spans)
    server = server_of(app, host="127.0.0.1", port=0)
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        deadline = time.monotonic() + _STARTS_WITHIN_S
        while not server.started:
            assert thread.is_alive(), "the server ended while it started"
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.01)
        port = listening.getsockname()[1]
        try:
            yield Api(
                url=f"http://127.0.0.1:{port}",
                settings=chosen,
                sessions=factory,
                server=server,
                registry=registry,
            )
        finally:
            server.should_exit = True
            thread.join(_STARTS_WITHIN_S)
            engine.dispose()
