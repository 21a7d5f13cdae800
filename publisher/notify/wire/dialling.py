"""Opens connections to receivers, at addresses that are allowed and nowhere else."""

import asyncio
import socket
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from typing import Any

import aiohappyeyeballs
import httpx
from aiohappyeyeballs import AddrInfoType

from publisher.notify.wire.connection import Connection
from publisher.notify.wire.idle import Origin
from publisher.notify.wire.names import Names

# RFC 8305, section 8: when the next address is tried beside the one that does not answer.
_NEXT_ADDRESS_S = 0.25
# Hosts, of which we know whether they are written as an address that may be gone to: neither changes.
_KNOWN = 16_384


class TlsFailed(httpx.ConnectError):
    """The certificate does not fit, or no TLS is spoken."""


@dataclass(kw_only=True)
class Way:
    """The way that one request takes, filled in while it is taken.

    Attributes:
        address: the one connected to, or tried last.
    """

    address: str | None = None


class Dialler:
    """Opens connections."""

    def __init__(self, names: Names, tls: ssl.SSLContext) -> None:
        """Open none yet."""
        self._names = names
        self._tls = tls
        self._checked = lru_cache(_KNOWN)(self._check)

    async def dial(self, origin: Origin, way: Way) -> Connection:
        """Return a new connection.

        Raises:
            RefusedAddress, NameNotFound: as `Names` does.
            TlsFailed: when there is no certificate for this host that we trust.
            httpx.ConnectError: when nobody answers.
        """
        addresses = await self._addresses(origin.host)
        way.address = addresses[0]
        try:
            way.address, where = await _first_of(addresses, origin.port)
            connection = await self._opened(origin, where)
        except ssl.SSLError as error:
            raise TlsFailed(str(error)) from error
        # uvloop raises RuntimeError for some of them.
        except (OSError, RuntimeError) as error:
            # Who hung up in the handshake is an error without words.
            raise httpx.ConnectError(str(error) or "the receiver hung up") from error
        connection.address = way.address
        return connection

    async def _opened(self, origin: Origin, where: Mapping[str, Any]) -> Connection:
        tls = {"ssl": self._tls, "server_hostname": origin.host.removesuffix(".")} if origin.tls else {}
        loop: Any = asyncio.get_running_loop()
        _, connection = await loop.create_connection(Connection, **where, **tls)
        assert isinstance(connection, Connection)
        return connection

    async def _addresses(self, host: str) -> Sequence[str]:
        return self._checked(host) or await self._names.addresses(host)

    def _check(self, host: str) -> Sequence[str]:
        """Return the address that a host is written as, if webhooks may go there; nothing: it is a name."""
        if ":" not in host and not host.removesuffix(".").rpartition(".")[2].isdecimal():
            return ()
        try:
            address = ip_address(host)
        except ValueError:
            # The system's resolver would take `127.1` for an address.
            raise httpx.LocalProtocolError(f"{host} is neither a name nor an address") from None
        self._names.check(address)
        return (str(address),)


async def _first_of(addresses: Sequence[str], port: int) -> tuple[str, Mapping[str, Any]]:
    """Return an address, and how asyncio gets there: by no name that could lead elsewhere by now."""
    if len(addresses) == 1:
        return addresses[0], {"host": addresses[0], "port": port}
    opened = await aiohappyeyeballs.start_connection(
        [_info(one, port) for one in addresses], happy_eyeballs_delay=_NEXT_ADDRESS_S, interleave=1
    )
    return opened.getpeername()[0], {"sock": opened}


def _info(address: str, port: int) -> AddrInfoType:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port)
