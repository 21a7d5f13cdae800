"""`python -m benchmarks.baseline_row PORT`: the same web server, which inserts each body as one row."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
from fastapi import FastAPI, Request, Response

from benchmarks.baseline_web import healthz
from workers.web import server_of

_CONNECTIONS = 20
_URL = os.environ.get("PUBLISHER_DATABASE_URL", "").replace("+psycopg", "", 1)
_free: asyncio.Queue[psycopg.AsyncConnection] = asyncio.Queue()


@asynccontextmanager
async def connected(_: FastAPI) -> AsyncIterator[None]:
    """Hold as many connections as our own web process."""
    connections = [await psycopg.AsyncConnection.connect(_URL, autocommit=True) for _ in range(_CONNECTIONS)]
    await connections[0].execute("CREATE TABLE IF NOT EXISTS body (id bigserial PRIMARY KEY, content bytea)")
    for one in connections:
        _free.put_nowait(one)
    yield
    for one in connections:
        await one.close()


async def insert(request: Request) -> Response:
    """Answer what came in, once it is committed."""
    body = await request.body()
    connection = await _free.get()
    try:
        await connection.execute("INSERT INTO body (content) VALUES (%b)", [body])
    finally:
        _free.put_nowait(connection)
    return Response(body, status_code=201, media_type="application/json")


def main(port: int) -> None:
    """Serve until it is ended."""
    app = FastAPI(openapi_url=None, lifespan=connected)
    app.add_api_route("/v1/articles", insert, methods=["POST"])
    app.add_api_route("/healthz", healthz)
    server_of(app, host="127.0.0.1", port=port).run()


if __name__ == "__main__":
    main(int(sys.argv[1]))
