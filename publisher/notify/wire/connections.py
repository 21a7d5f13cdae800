"""Connections to receivers: which sockets may be opened at all, and how many stay open."""

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
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ClientRequest, ConnectionKey
from aiohttp.connector import AddrInfoType, Connection
from aiohttp.tracing import Trace

from publisher.notify.wire.addresses import Lookup, Network, is_allowed_address
from publisher.notify.wire.informational import FewInformational

# More than endpoints that answer slowly may have in flight: a look-up goes on when its request has ended.
_RESOLVER_THREADS = 256
_DNS_CACHE_S = 10
# Shorter than the 5 s after which Node's server hangs up, so that we seldom write into a closing connection.
_IDLE_S = 4
_IDLE_PER_HOST = 2
_IDLE_HOSTS = 1024


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


class GuardedConnector(aiohttp.TCPConnector):
    """Connects to allowed addresses only, however the URL spelled them; keeps few connections idle."""

    def __init__(
        self, allowed: Sequence[Network], resolver: AbstractResolver, *, limit: int, tls: ssl.SSLContext
    ) -> None:
        super().__init__(
            resolver=resolver,
            ttl_dns_cache=_DNS_CACHE_S,
            keepalive_timeout=_IDLE_S,
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
        enough = len(self._conns) >= _IDLE_HOSTS or len(self._conns.get(key, ())) >= _IDLE_PER_HOST
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
