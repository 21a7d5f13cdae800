"""aiosonic, which has no transport for httpx: the least that makes one of it."""

import socket
import ssl
from collections.abc import AsyncIterator
from ipaddress import ip_address
from typing import Any

import httpx
from aiosonic import HTTPClient, TCPConnector
from aiosonic.client import HttpResponse
from aiosonic.pools import PoolConfig
from aiosonic.resolver import ThreadedResolver

from benchmarks.transports.candidates import EXACT_URL, IDLE_S, Wanted
from publisher.notify.wire.addresses import is_allowed_address
from publisher.notify.wire.names import RefusedAddress

API = httpx


class _Guarded(ThreadedResolver):
    async def resolve(
        self, hostname: str, port: int = 0, family: int = socket.AF_INET
    ) -> list[dict[str, Any]]:
        found = await super().resolve(hostname, port, family)
        for one in found:
            if not is_allowed_address(ip_address(one["host"]), ()):
                raise RefusedAddress(f"webhooks may not go to {one['host']}")
        return found


class _Body(httpx.AsyncByteStream):
    def __init__(self, answer: HttpResponse) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._answer._has_pending_body():  # noqa: SLF001
            async for chunk in self._answer.read_chunks():
                yield chunk

    async def aclose(self) -> None:
        await self._answer.aclose()


class Sonic(httpx.AsyncBaseTransport):
    """httpx's transport over an aiosonic client."""

    def __init__(self, client: HTTPClient, tls: ssl.SSLContext | None) -> None:
        self._client, self._tls = client, tls

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Return the answer once its headers are there."""
        answer = await self._client.request(
            request.extensions[EXACT_URL],
            request.method,
            headers=request.headers.multi_items(),
            data=request.content,
            ssl=self._tls if request.url.scheme == "https" else None,
            stream=True,
        )
        return httpx.Response(answer.status_code, headers=answer.raw_headers, stream=_Body(answer))

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.connector.cleanup()


def transport(wanted: Wanted) -> httpx.AsyncBaseTransport:
    """Return it with as many connections, in use and idle together."""
    return _sonic(wanted, None)


def plain() -> httpx.AsyncBaseTransport:
    """Return it without any argument."""
    return Sonic(HTTPClient(), None)


def guarded(wanted: Wanted) -> httpx.AsyncBaseTransport:
    """Return it with a resolver of our own, which is asked for literals as well."""
    return _sonic(wanted, _Guarded())


def _sonic(wanted: Wanted, resolver: ThreadedResolver | None) -> Sonic:
    bounds = PoolConfig(size=wanted.connections, max_conn_idle_ms=IDLE_S * 1000)
    connector = TCPConnector(pool_configs={":default": bounds}, resolver=resolver)
    return Sonic(HTTPClient(connector), ssl.create_default_context(cafile=str(wanted.authority)))
