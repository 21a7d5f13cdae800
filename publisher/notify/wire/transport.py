"""httpx's transport over an aiohttp session: the URL as it was written, the body as it arrives."""

from collections.abc import AsyncIterator

import aiohttp
import httpx
from yarl import URL

# The extension of a request that holds its URL, which httpx.URL would tidy up.
EXACT_URL = "exact_url"


class ExactTransport(httpx.AsyncBaseTransport):
    """Sends httpx's requests through an aiohttp session, to the URL as it was written.

    Both libraries tidy URLs up (`%2f` becomes `/`), which breaks receivers that compare them.
    """

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Return the answer once its headers are there; errors are those of aiohttp."""
        answer = await self._session.request(
            request.method,
            URL(request.extensions[EXACT_URL], encoded=True),
            headers=request.headers.multi_items(),
            data=request.content or None,
            allow_redirects=False,
        )
        return httpx.Response(answer.status, headers=answer.raw_headers, stream=_Body(answer))


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
