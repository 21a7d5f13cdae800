"""What is possible: asyncio's streams, a connection a request, no pool, no check, no body read."""

import asyncio
import ssl

import httpx

from benchmarks.transports.candidates import EXACT_URL, Wanted

API = httpx


class Bare(httpx.AsyncBaseTransport):
    """As little as one can do."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        self._tls = tls

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Return the status."""
        scheme, _, rest = request.extensions[EXACT_URL].partition("://")
        authority, _, path = rest.partition("/")
        host, _, port = authority.partition(":")
        tls = self._tls if scheme == "https" else None
        reader, writer = await asyncio.open_connection(host, int(port), ssl=tls)
        head = "".join(f"{name}: {value}\r\n" for name, value in request.headers.multi_items())
        writer.write(f"POST /{path} HTTP/1.1\r\n{head}\r\n".encode() + request.content)
        answer = await reader.readuntil(b"\r\n\r\n")
        writer.close()
        return httpx.Response(int(answer[9:12]), stream=httpx.ByteStream(b""))


def transport(wanted: Wanted) -> httpx.AsyncBaseTransport:
    """Return it."""
    return Bare(ssl.create_default_context(cafile=str(wanted.authority)))
