"""`python -m benchmarks.baseline_feed FILE PORT`: a bare Starlette that answers with a feed from memory.

The file is JSON: `{"headers": {…}, "body": <base64>}`, as a web process has answered.
"""

import base64
import json
import sys
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from workers.web import server_of


def main(answered: Path, port: int) -> None:
    """Serve until it is ended."""
    told = json.loads(answered.read_text("utf-8"))
    headers, body = told["headers"], base64.b64decode(told["body"])

    async def full(_: Request) -> Response:
        return Response(body, headers=headers)

    async def unchanged(_: Request) -> Response:
        return Response(status_code=304, headers=headers)

    async def healthz(_: Request) -> Response:
        return Response()

    app = Starlette(
        routes=[Route("/200", full), Route("/304", unchanged), Route("/healthz", healthz)],
    )
    server_of(app, host="127.0.0.1", port=port).run()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
