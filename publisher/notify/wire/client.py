"""The HTTP client for receivers that hang, lie or attack: every request brings an answer, by its deadline."""

import asyncio
import re
import ssl
import time
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

import httpx

from publisher.notify.outcome import Answer, ErrorKind
from publisher.notify.sending import Request
from publisher.notify.wire.addresses import Lookup, Network, addresses_of
from publisher.notify.wire.bounds import MAX_BODY_BYTES
from publisher.notify.wire.dialling import TlsFailed, Way
from publisher.notify.wire.names import NameNotFound, RefusedAddress
from publisher.notify.wire.response_headers import response_headers
from publisher.notify.wire.targets import target_of
from publisher.notify.wire.transport import TARGET, WAY, GuardedTransport

_DETAIL_LENGTH = 300
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*(?:://|%3a%2f%2f)\S*", re.IGNORECASE)
# The first that fits: the classes overlap.
_KINDS: tuple[tuple[type[Exception] | tuple[type[Exception], ...], ErrorKind], ...] = (
    (TimeoutError, ErrorKind.TIMEOUT),
    ((httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError), ErrorKind.BAD_URL),
    (RefusedAddress, ErrorKind.REFUSED_ADDRESS),
    (NameNotFound, ErrorKind.DNS),
    (TlsFailed, ErrorKind.TLS),
    (httpx.ConnectError, ErrorKind.CONNECT),
    (httpx.ReadError, ErrorKind.DISCONNECTED),
    (ValueError, ErrorKind.BAD_URL),
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
        lookup: Lookup = addresses_of,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Open no connection yet.

        Args:
            allowed: networks that receivers may lie in besides public ones.
            lookup: returns the addresses of a name or raises OSError; called in threads.
            tls: the authorities to trust; by default SSL_CERT_FILE or SSL_CERT_DIR, else those of certifi.
        """
        self._transport = GuardedTransport(
            allowed=allowed, lookup=lookup, tls=tls or httpx.create_ssl_context()
        )

    async def send(self, request: Request, *, deadline_s: float) -> Answer:
        """Send a request and return what came of it.

        Args:
            request: its URL is one that `check_url` accepted.
            deadline_s: for everything from the look-up of the name to the last byte of the answer.
        """
        started, way, heard = time.monotonic(), Way(), _Heard()
        kind, detail = None, ""
        try:
            async with asyncio.timeout(deadline_s):
                await self._exchange(request, heard, way)
        except (httpx.TransportError, httpx.InvalidURL, OSError, ValueError) as error:
            kind, detail = _kind(error), _detail(error, deadline_s)
        return Answer(
            status=heard.status,
            error=kind,
            detail=detail,
            headers=heard.headers,
            body=bytes(heard.body[:MAX_BODY_BYTES]),
            address=way.address,
            duration_ms=_ms_since(started),
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._transport.aclose()

    async def _exchange(self, asked: Request, heard: _Heard, way: Way) -> None:
        target = target_of(asked.url)
        request = httpx.Request(
            asked.method,
            # The path goes with the target.
            target.host.url,
            headers={
                "host": target.host.authority,
                **asked.headers,
                "accept-encoding": "identity",
                **({} if asked.method == "GET" else {"content-length": str(len(asked.body))}),
            },
            # As `content`, it would be looked through for what these headers say.
            stream=httpx.ByteStream(asked.body),
            extensions={TARGET: target, WAY: way},
        )
        # The transport itself and no AsyncClient around it: there are no cookies to keep, no redirects to
        # follow, no logins to renew, and without those layers one core sends half as much again.
        response = await self._transport.handle_async_request(request)
        assert isinstance(response.stream, httpx.AsyncByteStream)
        async with aclosing(response.stream) as body:
            heard.status, heard.headers = response.status_code, response_headers(response.headers.raw)
            async for chunk in body:
                heard.body += chunk


def _kind(error: Exception) -> ErrorKind:
    return next((kind for classes, kind in _KINDS if isinstance(error, classes)), ErrorKind.PROTOCOL)


def _detail(error: Exception, deadline_s: float) -> str:
    """Return the error as one short line; part of it may have been written by the receiver.

    Addresses are left out: what stands behind the host of one may be a secret, and this is logged.
    """
    text = str(error) or f"no complete answer within {deadline_s:g} s"
    text = _ADDRESS.sub("…", text)
    printable = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(printable.split())[:_DETAIL_LENGTH]


def _ms_since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
