"""Connections that wait for a next request to the same origin."""

import asyncio
import time
from typing import NamedTuple

from publisher.notify.wire.connection import Connection

IDLE_S = 4.0
"""Shorter than the 5 s after which Node's server hangs up: we should seldom write to who is hanging up."""

PER_ORIGIN, MOST = 2, 1024
"""So many wait at most."""


class Origin(NamedTuple):
    """Whom a connection leads to: RFC 6454's scheme, host and port."""

    tls: bool
    host: str
    port: int


class Idle:
    """Keeps a few connections open for a while."""

    def __init__(self) -> None:
        """Keep none."""
        # Those that have waited longest come first.
        self._since: dict[Connection, tuple[float, Origin]] = {}
        self._of: dict[Origin, list[Connection]] = {}
        self._sweeping: asyncio.TimerHandle | None = None
        self._is_closed = False

    def take(self, origin: Origin) -> Connection | None:
        """Return an open connection, the one that was used last, or None."""
        waiting = self._of.get(origin)
        while waiting:
            connection = waiting[-1]
            since = self._drop(connection)
            if connection.is_open and since > time.monotonic() - IDLE_S:
                return connection
            connection.abort()
        return None

    def keep(self, connection: Connection, origin: Origin) -> None:
        """Take a connection back; close it if there are enough."""
        waiting = self._of.setdefault(origin, [])
        if self._is_closed or len(waiting) >= PER_ORIGIN:
            connection.abort()
            return
        if len(self._since) >= MOST:
            self._close_oldest()
        self._since[connection] = time.monotonic(), origin
        self._of.setdefault(origin, waiting).append(connection)
        if self._sweeping is None:
            self._sweeping = asyncio.get_running_loop().call_later(IDLE_S / 4, self._sweep)

    def close(self) -> None:
        """Close all of them, and whatever comes back from now on."""
        self._is_closed = True
        while self._since:
            self._close_oldest()
        if self._sweeping is not None:
            self._sweeping.cancel()

    def _sweep(self) -> None:
        self._sweeping = None
        before = time.monotonic() - IDLE_S
        while self._since and next(iter(self._since.values()))[0] <= before:
            self._close_oldest()
        if self._since:
            self._sweeping = asyncio.get_running_loop().call_later(IDLE_S / 4, self._sweep)

    def _close_oldest(self) -> None:
        oldest = next(iter(self._since))
        self._drop(oldest)
        oldest.abort()

    def _drop(self, connection: Connection) -> float:
        since, origin = self._since.pop(connection)
        waiting = self._of[origin]
        waiting.remove(connection)
        if not waiting:
            del self._of[origin]
        return since
