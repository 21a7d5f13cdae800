"""httpx's own transport, over httpcore."""

import asyncio
import socket
import ssl
from ipaddress import ip_address
from typing import Any

import httpcore
import httpx

from benchmarks.transports.candidates import CONNECTIONS_IDLE, IDLE_S, Wanted
from publisher.notify.addresses import is_allowed_address
from publisher.notify.connections import RefusedAddress

API = httpx


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Looks names up itself, refuses what is not public, and connects to the address that it checked."""

    def __init__(self, inner: httpcore.AsyncNetworkBackend) -> None:
        self._inner = inner

    async def connect_tcp(self, host: str, port: int, **kept: Any) -> httpcore.AsyncNetworkStream:
        """Return a connection."""
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = [str(sockaddr[0]) for *_, sockaddr in found]
        for address in addresses:
            if not is_allowed_address(ip_address(address), ()):
                raise RefusedAddress(f"webhooks may not go to {address}")
        return await self._inner.connect_tcp(addresses[0], port, **kept)


def transport(wanted: Wanted) -> httpx.AsyncHTTPTransport:
    """Return it with the bounds that the others have; it has none for a host."""
    return httpx.AsyncHTTPTransport(
        verify=ssl.create_default_context(cafile=str(wanted.authority)),
        trust_env=False,
        limits=httpx.Limits(
            max_connections=wanted.connections,
            max_keepalive_connections=CONNECTIONS_IDLE,
            keepalive_expiry=IDLE_S,
        ),
    )


def plain() -> httpx.AsyncBaseTransport:
    """Return it without any argument."""
    return httpx.AsyncHTTPTransport()


def guarded(wanted: Wanted) -> httpx.AsyncBaseTransport:
    """Return it with a network backend of our own, which has no public place: the pool takes it."""
    made = transport(wanted)
    made._pool._network_backend = GuardedBackend(made._pool._network_backend)  # noqa: SLF001
    return made
