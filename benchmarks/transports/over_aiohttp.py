"""httpx-aiohttp, with a session of our own: its connector is the guarded one; `over_aiohttp2` is httpx2's."""

from types import ModuleType
from typing import Any

import httpx
from httpx_aiohttp import AiohttpTransport

from benchmarks.transports.aiohttp_guarded import Way, session, way
from benchmarks.transports.candidates import LOOPBACK, Wanted


class OverAiohttp:
    """A candidate on httpx or httpx2."""

    def __init__(self, api: ModuleType, transport: type[Any]) -> None:
        class Waying(transport):
            """Begins a way for every request, for the guarded connector to fill in."""

            async def handle_async_request(self, request: Any) -> Any:
                way.set(Way())
                return await super().handle_async_request(request)

        self.API = api
        self._plain, self._waying = transport, Waying

    def transport(self, wanted: Wanted) -> Any:
        """Return it with loopback allowed."""
        return self._waying(client=session(wanted, LOOPBACK))

    def plain(self) -> Any:
        """Return it without any argument."""
        return self._plain()

    def guarded(self, wanted: Wanted) -> Any:
        """Return it with nothing but public addresses allowed."""
        return self._waying(client=session(wanted, ()))


CANDIDATE = OverAiohttp(httpx, AiohttpTransport)
