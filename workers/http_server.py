"""The HTTP server: uvicorn, with an end at which no request that was sent gets lost."""

import asyncio
import ctypes
import os
import socket
import struct
import sys
from contextlib import suppress

import uvicorn

# As long as a connection takes to be made, by far.
_HANDSHAKE_S = 0.05
# As long as the request of a connection that is made may be on its way.
_ON_THE_WAY_S = 1.0
_LOOK_EVERY_S = 0.01
_CLOSE = (b"connection", b"close")

_SO_ATTACH_FILTER = 26
# A filter of Linux's kernel, run for each packet that the listening socket gets; the four steps are `struct
# sock_filter`: code, where to go on if true and if not, operand.
_ONLY_KNOWN_CONNECTIONS = b"".join(
    struct.pack("=HBBI", *step)
    for step in (
        (0x30, 0, 0, 13),  # take the flags of the TCP header
        (0x45, 0, 1, 0x02),  # is SYN among them?
        (0x06, 0, 0, 0),  # then drop the packet
        (0x06, 0, 0, 0xFFFF_FFFF),  # else let it pass
    )
)


class HttpServer(uvicorn.Server):
    """Hears out whoever has connected; who comes later is refused before anything was sent.

    Uvicorn itself resets connections that wait to be accepted, and closes those whose request is still on its
    way. A proxy must not send such a POST to another replica: it cannot know whether it was done.
    """

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, answer what was sent until now, and end."""
        self.server_state.default_headers.append(_CLOSE)
        for server in self.servers:
            for listening in server.sockets:
                _ignore_new_connections(listening.fileno())
        # What has begun to connect is accepted meanwhile, as ever.
        await asyncio.sleep(_HANDSHAKE_S)
        for server in self.servers:
            server.close()
        await self._hear_out()
        await super().shutdown(sockets)

    async def _hear_out(self) -> None:
        now = asyncio.get_running_loop().time
        until = now() + _ON_THE_WAY_S
        while self.server_state.connections and now() < until:
            await asyncio.sleep(_LOOK_EVERY_S)


def _ignore_new_connections(listening: int) -> None:
    # They try again a second later, and are refused by then. Elsewhere than on Linux some may be reset.
    if sys.platform != "linux":
        return
    steps = ctypes.create_string_buffer(_ONLY_KNOWN_CONNECTIONS, len(_ONLY_KNOWN_CONNECTIONS))
    program = struct.pack("HP", len(_ONLY_KNOWN_CONNECTIONS) // 8, ctypes.addressof(steps))
    with socket.socket(fileno=os.dup(listening)) as same, suppress(OSError):
        same.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
