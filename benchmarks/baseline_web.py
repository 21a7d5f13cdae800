"""`python -m benchmarks.baseline_web PORT`: the same web server, which only reads a body and answers it."""

import sys

from fastapi import FastAPI, Request, Response

from workers.web import server_of


async def echo(request: Request) -> Response:
    """Answer what came in."""
    return Response(await request.body(), status_code=201, media_type="application/json")


async def healthz() -> Response:
    """Answer that it lives."""
    return Response()


def main(port: int) -> None:
    """Serve until it is ended."""
    app = FastAPI(openapi_url=None)
    app.add_api_route("/v1/articles", echo, methods=["POST"])
    app.add_api_route("/v1/articles:batch", echo, methods=["POST"])
    app.add_api_route("/healthz", healthz)
    server_of(app, host="127.0.0.1", port=port).run()


if __name__ == "__main__":
    main(int(sys.argv[1]))
