"""httpx's own transport, over httpcore; `over_httpcore2` is the same of httpx2."""

import asyncio
import socket
import ssl
from ipaddress import ip_address
from types import ModuleType
from typing import Any

import httpcore
import httpx

from benchmarks.transports.candidates import CONNECTIONS_IDLE, IDLE_S, Wanted
from publisher.notify.wire.addresses import is_allowed_address
from publisher.notify.wire.names import RefusedAddress


class OverHttpcore:
    """A candidate on httpx or httpx2."""

    def __init__(self, api: ModuleType, core: ModuleType) -> None:
        self.API = api
        self._core = core

    def transport(self, wanted: Wanted) -> Any:
        """Return it with the bounds that the others have; it has none for a host."""
        return self.API.AsyncHTTPTransport(
            verify=ssl.create_default_context(cafile=str(wanted.authority)),
            trust_env=False,
            limits=self.API.Limits(
                max_connections=wanted.connections,
                max_keepalive_connections=CONNECTIONS_IDLE,
                keepalive_expiry=IDLE_S,
            ),
        )

    def plain(self) -> Any:
        """Return it without any argument."""
        return self.API.AsyncHTTPTransport()

    def guarded(self, wanted: Wanted) -> Any:
        """Return it with a network backend of our own, which has no public place: the pool takes it."""
        made = self.transport(wanted)
        made._pool._network_backend = self._guarding(made._pool._network_backend)  # noqa: SLF001
        return made

    def _guarding(self, inner: Any) -> Any:
        class Guarded(self._core.AsyncNetworkBackend):  # type: ignore[name-defined,misc]
            """Looks names up itself, refuses what is not public, and connects to what it checked."""

            async def connect_tcp(self, host: str, port: int, **kept: Any) -> Any:
                found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
                addresses = [str(sockaddr[0]) for *_, sockaddr in found]
                for address in addresses:
                    if not is_allowed_address(ip_address(address), ()):
                        raise RefusedAddress(f"webhooks may not go to {address}")
                return await inner.connect_tcp(addresses[0], port, **kept)

        return Guarded()


CANDIDATE = OverHttpcore(httpx, httpcore)
