"""Servers that belong to one test: to be killed, stopped, filled up, and started again where they were."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psycopg
from redis import Redis
from redis.exceptions import RedisError

from publisher.server_urls import for_libpq
from tests.servers import postgres_in, redis_in
from tests.waiting import eventually
from workers.embedded import EmbeddedPostgres, EmbeddedValkey

_END = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE %s"
_QUIET_S = 0.5
# Beside what a server needs for itself: every write is too much.
_FULL = 1


class OwnPostgres:
    """A PostgreSQL that keeps what it has committed, as in production."""

    def __init__(self, folder: Path) -> None:
        self._server = postgres_in(folder)
        self.url = self._server.start()

    @contextmanager
    def away(self) -> Iterator[None]:
        """Stop it as `pg_ctl stop -m immediate` does, and start it again where it was after the block."""
        _signal(self._server, signal.SIGQUIT)
        eventually(lambda: not self._server.running)
        try:
            yield
        finally:
            self._server.start()

    @contextmanager
    def crowded(self, *, out: str) -> Iterator[None]:
        """Let others have every connection that there is.

        Args:
            out: a pattern (LIKE) for the names of those that lose theirs.
        """
        with ExitStack() as others:
            first = others.enter_context(psycopg.connect(for_libpq(self.url), autocommit=True))
            quiet_since = time.monotonic()
            # Whoever is about to connect shows up a moment later.
            while time.monotonic() - quiet_since < _QUIET_S:
                try:
                    others.enter_context(psycopg.connect(for_libpq(self.url)))
                except psycopg.OperationalError:
                    if first.execute(_END, (out,)).fetchall():
                        quiet_since = time.monotonic()
                    time.sleep(0.01)
                else:
                    quiet_since = time.monotonic()
            yield

    def stop(self) -> None:
        """End it."""
        self._server.stop()


class OwnRedis:
    """A Redis that forgets everything when it is killed, unless a snapshot was taken."""

    def __init__(self, folder: Path) -> None:
        self._server = redis_in(folder)
        self._snapshot = folder / "dump.rdb"
        self.url = self._server.start()
        self.client = Redis.from_url(self.url, socket_timeout=5)

    @contextmanager
    def away(self) -> Iterator[None]:
        """Kill it (-9), and start it again, with the last snapshot if there is one, after the block."""
        _signal(self._server, signal.SIGKILL)
        eventually(lambda: not self._server.running)
        try:
            yield
        finally:
            self._server.start()

    @contextmanager
    def stalled(self) -> Iterator[None]:
        """Stop it in the middle of what it does: connections stay open, and nobody gets an answer."""
        _signal(self._server, signal.SIGSTOP)
        try:
            yield
        finally:
            _signal(self._server, signal.SIGCONT)

    @contextmanager
    def full(self) -> Iterator[None]:
        """Make it refuse writes for want of memory, as `noeviction` does."""
        self.client.config_set("maxmemory", _FULL)
        try:
            yield
        finally:
            self.client.config_set("maxmemory", 0)

    def listeners(self) -> int:
        """Return how many processes wait for messages."""
        return sum(client["cmd"] == "brpop" for client in self.client.client_list())

    def take_snapshot(self) -> None:
        """Write down what it holds: this is what it knows after it was away."""
        self.client.save()

    def evict(self, key: str) -> None:
        """Make it drop a key for want of memory, as it does under any policy but `noeviction`."""
        self.client.config_set("maxmemory-policy", "allkeys-lru")
        self.client.config_set("maxmemory", _FULL)
        try:
            eventually(lambda: self._has_dropped(key))
        finally:
            self.client.config_set("maxmemory", 0)
            self.client.config_set("maxmemory-policy", "noeviction")

    def stop(self) -> None:
        """End it."""
        self.client.close()
        self._server.stop()

    def _has_dropped(self, key: str) -> bool:
        with suppress(RedisError):
            self.client.set("something", "else")  # whatever is written makes it look for memory
        return not self.client.exists(key)


def _signal(server: EmbeddedPostgres | EmbeddedValkey, number: signal.Signals) -> None:
    assert server.pid is not None
    os.kill(server.pid, number)
