"""Ours with httpx2's requests and answers: what a move to httpx's continuation would cost."""

import aiohttp
import httpx2
from yarl import URL

from benchmarks.transports import over_connector
from benchmarks.transports.candidates import EXACT_URL, Wanted
from publisher.notify.wire.connections import Way, way

API = httpx2


class _Body(httpx2.AsyncByteStream):
    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    def __aiter__(self) -> "_Body":
        return self

    async def __anext__(self) -> bytes:
        chunk = await self._answer.content.readany()
        if not chunk:
            raise StopAsyncIteration
        return chunk

    async def aclose(self) -> None:
        self._answer.close()


class _Ours(httpx2.AsyncBaseTransport):
    """The lines of `ExactTransport` with another import."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        way.set(Way())
        answer = await self._session.request(
            request.method,
            URL(request.extensions[EXACT_URL], encoded=True),
            headers=request.headers.multi_items(),
            data=request.content or None,
            allow_redirects=False,
        )
        return httpx2.Response(answer.status, headers=answer.raw_headers, stream=_Body(answer))

    async def aclose(self) -> None:
        await self._session.close()


def transport(wanted: Wanted) -> httpx2.AsyncBaseTransport:
    """Return it with loopback allowed."""
    return _Ours(over_connector.session(wanted, over_connector.LOOPBACK))


def plain() -> httpx2.AsyncBaseTransport:
    """Return it with the authorities that the client trusts by default."""
    return _Ours(over_connector.plain_session())


def guarded(wanted: Wanted) -> httpx2.AsyncBaseTransport:
    """Return it with nothing but public addresses allowed."""
    return _Ours(over_connector.session(wanted, ()))
