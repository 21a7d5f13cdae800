"""aiohttp's connector as webhooks had it before decision 0028: to allowed addresses only, within bounds."""

import asyncio
import socket
import ssl
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ClientRequest, ConnectionKey
from aiohttp.connector import AddrInfoType, Connection
from aiohttp.http import HttpProcessingError, RawResponseMessage
from aiohttp.streams import StreamReader
from aiohttp.tracing import Trace

from benchmarks.transports.candidates import CONNECTIONS_IDLE, IDLE_PER_HOST, IDLE_S, LOOPBACK, Wanted
from publisher.notify.wire.addresses import Lookup, Network, addresses_of, is_allowed_address

# More than endpoints that answer slowly may have in flight: a look-up goes on when its request has ended.
_RESOLVER_THREADS = 256
_DNS_CACHE_S = 10
# Before the real answer; RFC 9110, section 15.2, allows any number, and servers send one or two.
_MOST_INFORMATIONAL = 16
_SWITCHING_PROTOCOLS = 101


class RefusedAddress(OSError):
    """Webhooks may not go to this address. Trying again helps once the name leads elsewhere."""


@dataclass(kw_only=True)
class Way:
    """What is known of the way that one request takes; its own task makes it, the connector fills it in.

    Attributes:
        address: the one connected to, or tried last.
    """

    address: str | None = None


# aiohttp offers no other way from a request to the connection that it used: by the time the answer is
# there, a short one has already given its connection back.
way: ContextVar[Way] = ContextVar("way")


class FewInformational(ResponseHandler):
    """Reads answers, and hangs up on a receiver that sends informational ones without end.

    aiohttp passes over any number of them, and does not let go of the event loop as long as there are more:
    a single receiver would fill the memory, and keep all others waiting far beyond its own deadline.
    """

    _informational = 0

    def feed_data(self, data: tuple[RawResponseMessage, StreamReader], size: int = 0) -> None:
        """Take in the head of an answer."""
        code = data[0].code
        if not 100 <= code <= 199 or code == _SWITCHING_PROTOCOLS:
            self._informational = 0
        elif self._informational < _MOST_INFORMATIONAL:
            self._informational += 1
        else:
            self._hang_up()
            return
        super().feed_data(data, size)

    def _hang_up(self) -> None:
        if self.exception() is None:
            self.set_exception(HttpProcessingError(code=400, message="Too many informational answers"))
            if self.transport is not None:
                self.transport.abort()


class GuardedConnector(aiohttp.TCPConnector):
    """Connects to allowed addresses only, however the URL spelled them; keeps few connections idle."""

    def __init__(
        self, allowed: Sequence[Network], resolver: AbstractResolver, *, limit: int, tls: ssl.SSLContext
    ) -> None:
        super().__init__(
            resolver=resolver,
            ttl_dns_cache=_DNS_CACHE_S,
            keepalive_timeout=IDLE_S,
            limit=limit,
            ssl=tls,
            socket_factory=self._guarded_socket,
        )
        self._allowed = tuple(allowed)
        handler: type[ResponseHandler] = FewInformational
        self._factory = partial(handler, loop=self._loop)

    def _guarded_socket(self, addr_info: AddrInfoType) -> socket.socket:
        """Return a socket for one connect attempt: the last check, and the only one of literals."""
        family, kind, protocol, _, sockaddr = addr_info
        address = str(sockaddr[0])
        way.get().address = address
        if not is_allowed_address(ip_address(address), self._allowed):
            raise RefusedAddress(f"webhooks may not go to {address}")
        return socket.socket(family=family, type=kind, proto=protocol)

    async def connect(
        self, req: ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> Connection:
        """Return a new or an idle connection and note where it leads."""
        connection = await super().connect(req, traces, timeout)
        peer = connection.transport and connection.transport.get_extra_info("peername")
        if peer:
            way.get().address = peer[0]
        return connection

    def _release(self, key: ConnectionKey, protocol: ResponseHandler, *, should_close: bool = False) -> None:
        """Take a connection back; the limit of aiohttp's own counts those in use only."""
        enough = len(self._conns) >= CONNECTIONS_IDLE or len(self._conns.get(key, ())) >= IDLE_PER_HOST
        super()._release(key, protocol, should_close=should_close or enough)


class GuardedResolver(AbstractResolver):
    """Resolves names in threads of its own, and refuses a name with even one address that is not allowed."""

    def __init__(self, allowed: Sequence[Network], lookup: Lookup) -> None:
        self._allowed = tuple(allowed)
        self._lookup = lookup
        # asyncio's own pool has a handful of threads, which a few slow name servers would hold.
        self._threads = ThreadPoolExecutor(_RESOLVER_THREADS, thread_name_prefix="resolve")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of a name.

        Raises:
            RefusedAddress: when one of them is not allowed.
            OSError: when there are none.
        """
        found = await asyncio.get_running_loop().run_in_executor(self._threads, self._addresses, host)
        for address in found:
            if not is_allowed_address(ip_address(address), self._allowed):
                raise RefusedAddress(f"{host} resolves to {address}: webhooks may not go there")
        return [
            ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=0)
            for address in found
        ]

    async def close(self) -> None:
        """Take no more names; a look-up that still runs cannot be interrupted and ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _addresses(self, host: str) -> list[str]:
        found = list(self._lookup(host))
        if not found:
            raise OSError(f"{host} has no address")
        return found


def session(wanted: Wanted, allowed: Sequence[Network]) -> aiohttp.ClientSession:
    """Return a session as webhooks had it."""
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
    """Return a session with the authorities that webhooks trust by default."""
    resolver, tls = GuardedResolver(LOOPBACK, addresses_of), httpx.create_ssl_context()
    return aiohttp.ClientSession(connector=GuardedConnector(LOOPBACK, resolver, limit=500, tls=tls))
