"""httpx's transport for webhooks: to allowed addresses only, the URL as it was written, within bounds."""

import ssl
from collections.abc import AsyncIterator, Sequence

import httpx

from publisher.notify.wire.addresses import Lookup, Network
from publisher.notify.wire.connection import Connection
from publisher.notify.wire.dialling import Dialler, Way
from publisher.notify.wire.idle import Idle, Origin
from publisher.notify.wire.names import Names
from publisher.notify.wire.targets import Target, target_of

TARGET = "read_target"
"""The extension of a request that holds its `Target`; without one, it goes where its URL says.

What httpx's own transports know as `target` are bytes.
"""

WAY = "way"
"""The extension that holds a `Way`, which is filled in."""


class GuardedTransport(httpx.AsyncBaseTransport):
    """Sends httpx's requests over connections of our own.

    Of every answer, the head and the beginning of the body are read (`bounds.py`); nothing is decompressed. A
    connection on which the whole answer came is used again. The path goes out as its `Target` has it.
    """

    def __init__(self, *, allowed: Sequence[Network], lookup: Lookup, tls: ssl.SSLContext) -> None:
        """Open no connection yet.

        Args:
            allowed: networks that receivers may lie in besides public ones.
            lookup: returns the addresses of a name or raises OSError; called in threads.
        """
        self._names = Names(allowed, lookup)
        self._dialler = Dialler(self._names, tls)
        self._idle = Idle()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Return the answer once its head is there.

        Raises:
            httpx.LocalProtocolError: when the request cannot be sent as it is, and what `target_of` raises.
            httpx.ConnectError: when no connection came about: `RefusedAddress`, `NameNotFound`, `TlsFailed`.
            httpx.ReadError, httpx.RemoteProtocolError: as of `Connection.head`.
        """
        target: Target = request.extensions.get(TARGET) or target_of(str(request.url))
        origin = target.host.origin
        written = _written(request, target, await _body(request))
        connection = await self._asked(origin, written, request.extensions.get(WAY) or Way())
        body = _Body(self, connection, origin)
        return httpx.Response(connection.status or 0, headers=connection.headers, stream=body)

    async def _asked(self, origin: Origin, written: bytes, way: Way) -> Connection:
        """Return a connection on which the head of the answer has come."""
        connection = self._idle.take(origin) or await self._dialler.dial(origin, way)
        way.address = connection.address
        await _ask(connection, written)
        return connection

    def give_back(self, connection: Connection, origin: Origin) -> None:
        """Keep a connection for the next request, if it can take one."""
        if connection.can_be_kept:
            self._idle.keep(connection, origin)
        else:
            connection.abort()

    async def aclose(self) -> None:
        """Close what is idle, and look up no more names."""
        self._idle.close()
        self._names.close()


class _Body(httpx.AsyncByteStream):
    """The body of an answer as it arrives; closed before its end, it takes its connection with it."""

    def __init__(self, transport: GuardedTransport, connection: Connection, origin: Origin) -> None:
        self._transport = transport
        self._connection: Connection | None = connection
        self._origin = origin

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        chunk = b"" if self._connection is None else await self._connection.chunk()
        if not chunk:
            raise StopAsyncIteration
        return chunk

    async def aclose(self) -> None:
        if self._connection is not None:
            self._transport.give_back(self._connection, self._origin)
            self._connection = None


async def _ask(connection: Connection, written: bytes) -> None:
    try:
        connection.ask(written)
        await connection.head()
    except BaseException:
        connection.abort()
        raise


async def _body(request: httpx.Request) -> bytes:
    # What is there as a whole is not read in steps.
    return b"".join(request.stream) if isinstance(request.stream, httpx.ByteStream) else await request.aread()


def _written(request: httpx.Request, target: Target, body: bytes) -> bytes:
    """Return a request as it goes out."""
    lines = request.headers.raw
    head = b"\r\n".join(map(b": ".join, lines))
    if not head.count(b"\n") == head.count(b"\r") == len(lines) - 1 or b"\0" in head:
        raise httpx.LocalProtocolError("a header holds a line break or a NUL")
    return b"%b %b HTTP/1.1\r\n%b\r\n\r\n%b" % (request.method.encode(), target.path, head, body)
