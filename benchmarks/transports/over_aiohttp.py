"""httpx-aiohttp, with a session of our own: its connector is the guarded one."""

import httpx
from httpx_aiohttp import AiohttpTransport

from benchmarks.transports import over_connector
from benchmarks.transports.candidates import Wanted
from publisher.notify.connections import Way, way

API = httpx


class _Waying(AiohttpTransport):
    """Begins a way for every request, for the guarded connector to fill in."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        way.set(Way())
        return await super().handle_async_request(request)


def transport(wanted: Wanted) -> httpx.AsyncBaseTransport:
    """Return it with loopback allowed."""
    return _Waying(client=over_connector.session(wanted, over_connector.LOOPBACK))


def plain() -> httpx.AsyncBaseTransport:
    """Return it without any argument."""
    return AiohttpTransport()


def guarded(wanted: Wanted) -> httpx.AsyncBaseTransport:
    """Return it with nothing but public addresses allowed."""
    return _Waying(client=over_connector.session(wanted, ()))
