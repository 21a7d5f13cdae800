"""httpx-aiohttp for httpx2, with a session of our own: its connector is the guarded one."""

import httpx2
from httpx_aiohttp.httpx2 import AiohttpTransport

from benchmarks.transports import over_connector
from benchmarks.transports.candidates import Wanted
from publisher.notify.connections import Way, way

API = httpx2


class _Waying(AiohttpTransport):
    """Begins a way for every request, for the guarded connector to fill in."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        way.set(Way())
        return await super().handle_async_request(request)


def transport(wanted: Wanted) -> httpx2.AsyncBaseTransport:
    """Return it with loopback allowed."""
    return _Waying(client=over_connector.session(wanted, over_connector.LOOPBACK))


def plain() -> httpx2.AsyncBaseTransport:
    """Return it without any argument."""
    return AiohttpTransport()


def guarded(wanted: Wanted) -> httpx2.AsyncBaseTransport:
    """Return it with nothing but public addresses allowed."""
    return _Waying(client=over_connector.session(wanted, ()))
