"""aiohttp: our transport before decision 0028, over aiohttp's connector; it passes all trials, too."""

from collections.abc import AsyncIterator

import aiohttp
import httpx
from yarl import URL

from benchmarks.transports.aiohttp_guarded import Way, plain_session, session, way
from benchmarks.transports.candidates import EXACT_URL, LOOPBACK, Wanted

API = httpx


class ExactTransport(httpx.AsyncBaseTransport):
    """Sends httpx's requests through an aiohttp session, to the URL as it was written.

    Both libraries tidy URLs up (`%2f` becomes `/`), which breaks receivers that compare them.
    """

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Return the answer once its headers are there; errors are those of aiohttp."""
        way.set(Way())
        answer = await self._session.request(
            request.method,
            URL(request.extensions[EXACT_URL], encoded=True),
            headers=request.headers.multi_items(),
            data=request.content or None,
            allow_redirects=False,
        )
        return httpx.Response(answer.status, headers=answer.raw_headers, stream=_Body(answer))

    async def aclose(self) -> None:
        """Close all connections."""
        await self._session.close()


class _Body(httpx.AsyncByteStream):
    """The body of an answer as it arrives; closed before its end, it takes its connection with it."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        chunk = await self._answer.content.readany()
        if not chunk:
            raise StopAsyncIteration
        return chunk

    async def aclose(self) -> None:
        self._answer.close()


def transport(wanted: Wanted) -> httpx.AsyncBaseTransport:
    """Return it with loopback allowed."""
    return ExactTransport(session(wanted, LOOPBACK))


def plain() -> httpx.AsyncBaseTransport:
    """Return it with the authorities that webhooks trust by default."""
    return ExactTransport(plain_session())


def guarded(wanted: Wanted) -> httpx.AsyncBaseTransport:
    """Return it with nothing but public addresses allowed."""
    return ExactTransport(session(wanted, ()))
