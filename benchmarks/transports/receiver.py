"""`python -m benchmarks.transports.receiver DESCRIPTOR keep|close [CERTIFICATE]`: receivers for one case.

It answers every request 204 at once, and with `close` hangs up after each. TLS has no tickets, so that every
connection is a full handshake.
"""

import asyncio
import os
import socket
import ssl
import sys
from functools import partial
from typing import cast

import uvloop

_ANSWERS = {
    "keep": b"HTTP/1.1 204 No Content\r\n\r\n",
    "close": b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n",
}
_LENGTH = b"\r\ncontent-length:"


class Answering(asyncio.Protocol):
    """HTTP/1.1 as far as webhooks need it: one request after the other, each with a length."""

    def __init__(self, how: str) -> None:
        self._answer, self._closes = _ANSWERS[how], how == "close"
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Turn away whoever comes from outside: every address is listened on."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are no subclasses of asyncio's
        if not transport.get_extra_info("peername")[0].startswith("127."):
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Answer once a request is whole."""
        self._buffer += data
        head, end, body = self._buffer.partition(b"\r\n\r\n")
        _, _, length = head.lower().partition(_LENGTH)
        if not end or len(body) < int(length.partition(b"\r\n")[0] or 0):
            return
        self._buffer = b""
        self._transport.write(self._answer)
        if self._closes:
            self._transport.close()


def listening_socket() -> socket.socket:
    """Return a socket that listens on a free port of every address of 127/8."""
    listener = socket.create_server(("0.0.0.0", 0), backlog=4096)
    listener.setblocking(False)
    return listener


def tls_of(certificate: str) -> ssl.SSLContext:
    """Return a server's context without tickets."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(certificate)
    made.num_tickets = 0
    made.options |= ssl.OP_NO_TICKET
    return made


def use_processor(number: int) -> None:
    """Stay on one processor, where the system can be told so and has as many."""
    if hasattr(os, "sched_setaffinity") and number in os.sched_getaffinity(0):
        os.sched_setaffinity(0, {number})


async def main(descriptor: int, how: str, certificate: str | None) -> None:
    """Serve until it is ended."""
    server = await asyncio.get_running_loop().create_server(
        partial(Answering, how),
        sock=socket.socket(fileno=descriptor),
        backlog=4096,
        ssl=tls_of(certificate) if certificate else None,
    )
    print("serving", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    use_processor(0)
    uvloop.run(main(int(sys.argv[1]), sys.argv[2], (sys.argv[3:] or [None])[0]))
