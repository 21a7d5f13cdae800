"""Pumps to test with: each in a thread and an event loop of its own, ended gently or all at once."""

import asyncio
import threading
from collections.abc import Sequence
from ipaddress import ip_network
from types import TracebackType
from typing import Self

import uvloop

from publisher.database import Sessions
from publisher.notify.addresses import Network
from publisher.notify.client import WebhookClient
from publisher.notify.flights import most_in_flight
from publisher.notify.observer import Observer
from publisher.notify.pump import SLOTS, Pump
from publisher.notify.secrets import SecretBox

_LOOPBACK = (ip_network("127.0.0.0/8"),)


class RunningPump:
    """A pump at work."""

    def __init__(
        self,
        sessions: Sessions,
        box: SecretBox,
        *,
        drain_s: float = 10.0,
        slots: int = SLOTS,
        observer: Observer | None = None,
        allowed: Sequence[Network] = _LOOPBACK,
    ) -> None:
        self._sessions = sessions
        self._box = box
        self._drain_s = drain_s
        self._slots = slots
        self._observer = observer
        self._allowed = allowed
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._main, name="pump")

    def __enter__(self) -> Self:
        self._thread.start()
        self._started.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Let it finish what it has begun."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()

    def crash(self) -> None:
        """End it in the middle of everything: nothing is recorded, and no shard is given back."""
        self._loop.call_soon_threadsafe(self._running.cancel)
        self._thread.join()

    def _main(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._run())

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        client = WebhookClient(allowed=self._allowed, connections=most_in_flight(SLOTS))
        pump = Pump(
            self._sessions,
            client,
            self._box,
            slots=self._slots,
            drain_s=self._drain_s,
            observer=self._observer,
        )
        self.id = pump.id
        self._running = asyncio.create_task(pump.run(self._stop))
        self._started.set()
        await asyncio.wait([self._running])
        await client.aclose()
        if not self._running.cancelled():
            self._running.result()
