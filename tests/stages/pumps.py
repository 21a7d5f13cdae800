"""Pumps to test with: each in a thread and an event loop of its own, ended gently or all at once."""

import asyncio
import threading
from collections.abc import Sequence
from ipaddress import ip_network
from types import TracebackType
from typing import Self
from uuid import UUID

import uvloop
from sqlalchemy import select

from publisher.database import Sessions
from publisher.notify.pump.observer import Observer
from publisher.notify.pump.pump import SLOTS, Pump
from publisher.notify.secrets.box import SecretBox
from publisher.notify.wire.addresses import Lookup, Network, addresses_of
from publisher.notify.wire.client import WebhookClient
from publisher.schema import EndpointRow, ShardLeaseRow
from tests.stages.subscribers import leases_end
from tests.waiting import eventually

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
        lookup: Lookup = addresses_of,
    ) -> None:
        self._sessions = sessions
        self._box = box
        self._drain_s = drain_s
        self._slots = slots
        self._observer = observer
        self._allowed = allowed
        self._lookup = lookup
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
        client = WebhookClient(allowed=self._allowed, lookup=self._lookup)
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


class SeveralPumps:
    """Four pumps at once, of which one goes and another comes whenever a test says so."""

    def __init__(self, sessions: Sessions, box: SecretBox) -> None:
        self._sessions = sessions
        self._box = box
        self._running: dict[UUID, RunningPump] = {}

    def __enter__(self) -> Self:
        for _ in range(4):
            self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pump in self._running.values():
            pump.stop()

    def hand_over(self, endpoint_id: UUID, *, crash: bool = False) -> None:
        """End the pump that sends to an endpoint, start another, and return when one of the others does."""
        holder = eventually(lambda: self._holder(endpoint_id))
        assert holder is not None
        pump = self._running.pop(holder)
        if crash:
            pump.crash()
            leases_end(self._sessions, holder)
        else:
            pump.stop()
        self._start()
        eventually(lambda: self._holder(endpoint_id) not in (None, holder))

    def _start(self) -> None:
        pump = RunningPump(self._sessions, self._box)
        pump.__enter__()
        self._running[pump.id] = pump

    def _holder(self, endpoint_id: UUID) -> UUID | None:
        holds = select(ShardLeaseRow.holder).join(EndpointRow, EndpointRow.shard == ShardLeaseRow.shard)
        with self._sessions() as session:
            return session.scalar(holds.where(EndpointRow.id == endpoint_id))
