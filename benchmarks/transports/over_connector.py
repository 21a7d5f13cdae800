"""Ours: `publisher.notify.wire.transport` over the guarded connector, made as `WebhookClient` makes it."""

import ssl
from collections.abc import Sequence
from ipaddress import ip_network

import aiohttp
import httpx

from benchmarks.transports.candidates import Wanted
from publisher.notify.wire.addresses import Network, addresses_of
from publisher.notify.wire.connections import GuardedConnector, GuardedResolver, Way, way
from publisher.notify.wire.transport import ExactTransport

API = httpx
LOOPBACK = (ip_network("127.0.0.0/8"),)


class Ours(ExactTransport):
    """Ours, which closes its session and begins a way for every request, as the client does."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Return the answer once its headers are there."""
        way.set(Way())
        return await super().handle_async_request(request)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._session.close()


def session(wanted: Wanted, allowed: Sequence[Network]) -> aiohttp.ClientSession:
    """Return a session as the client's."""
    tls = ssl.create_default_context(cafile=str(wanted.authority))
    resolver = GuardedResolver(allowed, addresses_of)
    return aiohttp.ClientSession(
        connector=GuardedConnector(allowed, resolver, limit=wanted.connections, tls=tls),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
        auto_decompress=False,
        trust_env=False,
    )


def plain_session() -> aiohttp.ClientSession:
    """Return a session with the authorities that the client trusts by default."""
    resolver, tls = GuardedResolver(LOOPBACK, addresses_of), httpx.create_ssl_context()
    return aiohttp.ClientSession(connector=GuardedConnector(LOOPBACK, resolver, limit=500, tls=tls))


def transport(wanted: Wanted) -> httpx.AsyncBaseTransport:
    """Return it with loopback allowed."""
    return Ours(session(wanted, LOOPBACK))


def plain() -> httpx.AsyncBaseTransport:
    """Return it with the authorities that the client trusts by default."""
    return Ours(plain_session())


def guarded(wanted: Wanted) -> httpx.AsyncBaseTransport:
    """Return it with nothing but public addresses allowed."""
    return Ours(session(wanted, ()))
