"""Wait for PostgreSQL to say something, that there is work or news, and look anyway when it stays silent."""

import os
import time
from types import TracebackType
from typing import Self

import psycopg
import structlog

from publisher.database import Channel
from publisher.server_urls import for_libpq

log = structlog.get_logger("publisher.listen")
_RECONNECT_S = 1.0


class Listener:
    """A connection of its own that hears one channel; not through a pooler, where nothing is heard.

    While it cannot connect, `wait` is a plain pause: whoever waits polls, and nothing is lost.
    """

    def __init__(self, url: str, channel: Channel) -> None:
        self._url = for_libpq(url)
        self._channel = channel
        self._connection: psycopg.Connection | None = None
        self._next_try = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._connection is not None:
            self._connection.close()

    def wait(self, timeout_s: float) -> None:
        """Return as soon as the channel is heard, or after the timeout."""
        self.hear(timeout_s)

    def hear(self, timeout_s: float) -> list[str] | None:
        """Return what the channel says as soon as it says something, or nothing after the timeout.

        None: there was no connection all the time, and whatever was said is lost.
        """
        connection = self._connected()
        if connection is None:
            time.sleep(timeout_s)
            return None
        try:
            return [one.payload for one in connection.notifies(timeout=timeout_s, stop_after=1)]
        except psycopg.Error as error:
            self._lose(error)
            return None

    def hears(self) -> bool:
        """Return whether the server answers on the connection: what was said before is heard now."""
        connection = self._connection
        if connection is None:
            return False
        try:
            connection.execute("SELECT")
        except psycopg.Error as error:
            self._lose(error)
        return self._connection is not None

    def _lose(self, error: psycopg.Error) -> None:
        log.warning("listen.lost", channel=self._channel, error=str(error).strip())
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _connected(self) -> psycopg.Connection | None:
        if self._connection is None and time.monotonic() >= self._next_try:
            self._next_try = time.monotonic() + _RECONNECT_S
            try:
                self._connection = psycopg.connect(
                    self._url,
                    autocommit=True,
                    connect_timeout=2,
                    keepalives_idle=10,
                    keepalives_interval=5,
                    keepalives_count=3,
                    tcp_user_timeout=5_000,
                    application_name=f"publisher listen {os.getpid()}",
                )
                self._connection.execute(f"LISTEN {self._channel}")
            except psycopg.Error as error:
                log.warning("listen.unreachable", channel=self._channel, error=str(error).strip())
                self._connection = None
        return self._connection
