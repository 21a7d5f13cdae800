"""The HTTP client for receivers that hang, lie or attack: httpx's transport API over guarded connections."""

import asyncio
import re
import ssl
import time
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import lru_cache

import aiohttp
import httpx

from publisher.notify.outcome import Answer, ErrorKind
from publisher.notify.sending import Request
from publisher.notify.wire.addresses import Lookup, Network, addresses_of
from publisher.notify.wire.connections import GuardedConnector, GuardedResolver, RefusedAddress, Way, way
from publisher.notify.wire.response_headers import response_headers
from publisher.notify.wire.transport import EXACT_URL, ExactTransport

MAX_BODY_BYTES = 16 * 1024
_DETAIL_LENGTH = 300
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*(?:://|%3a%2f%2f)\S*", re.IGNORECASE)
# The first that fits: the classes overlap.
_KINDS: tuple[tuple[type[Exception] | tuple[type[Exception], ...], ErrorKind], ...] = (
    (TimeoutError, ErrorKind.TIMEOUT),
    ((httpx.InvalidURL, aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError), ErrorKind.BAD_URL),
    (aiohttp.ClientConnectorDNSError, ErrorKind.DNS),
    ((aiohttp.ClientSSLError, ssl.SSLError), ErrorKind.TLS),
    (aiohttp.ClientConnectorError, ErrorKind.CONNECT),
    ((aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, OSError), ErrorKind.DISCONNECTED),
    (ValueError, ErrorKind.BAD_URL),
    (aiohttp.ClientError, ErrorKind.PROTOCOL),
)


@dataclass(kw_only=True)
class _Heard:
    """What has come of an answer so far; the status stays None until its head is there."""

    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)


class WebhookClient:
    """Sends requests to receivers and brings back an Answer, whatever they do.

    It goes to allowed addresses only and straight there (no proxy, no redirect), keeps no cookies,
    decompresses nothing and is done by the deadline. Make it inside the event loop that uses it.
    """

    def __init__(
        self,
        *,
        allowed: Sequence[Network],
        connections: int = 500,
        lookup: Lookup = addresses_of,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Open no connection yet.

        Args:
            allowed: networks that receivers may lie in besides public ones.
            connections: at once; a request beyond them waits while its deadline runs.
            lookup: returns the addresses of a name or raises OSError; called in threads.
            tls: the authorities to trust; by default SSL_CERT_FILE or SSL_CERT_DIR, else those of certifi.
        """
        self._resolver = GuardedResolver(allowed, lookup)
        self._session = aiohttp.ClientSession(
            connector=GuardedConnector(
                allowed, self._resolver, limit=connections, tls=tls or httpx.create_ssl_context()
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
            trust_env=False,
        )
        self._transport = ExactTransport(self._session)

    async def send(self, request: Request, *, deadline_s: float) -> Answer:
        """Send a request and return what came of it.

        Args:
            request: its URL is one that `check_url` accepted.
            deadline_s: for everything from the look-up of the name to the last byte of the answer.
        """
        started, taken, heard = time.monotonic(), Way(), _Heard()
        way.set(taken)
        problem: Exception | None = None
        try:
            async with asyncio.timeout(deadline_s):
                await self._exchange(request, heard)
        except (aiohttp.ClientError, httpx.InvalidURL, OSError, ValueError) as error:
            problem = error
        return Answer(
            status=heard.status,
            error=None if problem is None else _kind(problem),
            detail="" if problem is None else _detail(problem, deadline_s),
            headers=heard.headers,
            body=bytes(heard.body[:MAX_BODY_BYTES]),
            address=taken.address,
            duration_ms=_ms_since(started),
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._session.close()
        await self._resolver.close()

    async def _exchange(self, asked: Request, heard: _Heard) -> None:
        request = httpx.Request(
            asked.method,
            _parsed(asked.url),
            headers={**asked.headers, "accept-encoding": "identity"},
            content=asked.body,
            extensions={EXACT_URL: asked.url},
        )
        # The transport itself and no AsyncClient around it: there are no cookies to keep, no redirects to
        # follow, no logins to renew, and without those layers one core sends half as much again.
        response = await self._transport.handle_async_request(request)
        assert isinstance(response.stream, httpx.AsyncByteStream)
        async with aclosing(response):
            heard.status, heard.headers = response.status_code, response_headers(response.headers.raw)
            async for chunk in response.stream:
                heard.body += chunk
                if len(heard.body) >= MAX_BODY_BYTES:
                    return


@lru_cache(maxsize=4096)
def _parsed(url: str) -> httpx.URL:
    return httpx.URL(url)


def _kind(error: Exception) -> ErrorKind:
    if _refusal(error) is not None:
        return ErrorKind.REFUSED_ADDRESS
    return next((kind for classes, kind in _KINDS if isinstance(error, classes)), ErrorKind.PROTOCOL)


def _detail(error: Exception, deadline_s: float) -> str:
    """Return the error as one short line; part of it may have been written by the receiver.

    Addresses are left out: what stands behind the host of one may be a secret, and this is logged.
    """
    text = str(_refusal(error) or error) or f"no complete answer within {deadline_s:g} s"
    text = _ADDRESS.sub("…", text)
    printable = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(printable.split())[:_DETAIL_LENGTH]


def _refusal(error: BaseException | None) -> RefusedAddress | None:
    """Return our own refusal, which aiohttp wraps into an error of connecting or resolving."""
    while error is not None and not isinstance(error, RefusedAddress):
        error = error.__cause__
    return error


def _ms_since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
