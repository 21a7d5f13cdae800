"""Stage 4b, second half: send what is due, in one event loop, to the endpoints whose shards are ours."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial

import structlog

from publisher.database import Sessions
from publisher.ids import new_id
from publisher.notify.claimed import Claimed
from publisher.notify.claiming.claim import claim
from publisher.notify.endpoints.waiting import stop_waiting
from publisher.notify.pump.asking import Asking, unhindered
from publisher.notify.pump.attempt import attempt
from publisher.notify.pump.in_hand import InHand
from publisher.notify.pump.observer import Harmless, Observer
from publisher.notify.recording.flush import flush
from publisher.notify.recording.report import Report
from publisher.notify.recording.settling import settle, to_settle, with_few_to_settle
from publisher.notify.secrets.box import SecretBox
from publisher.notify.shards.holdings import NOTHING
from publisher.notify.shards.leases import BEAT_S, beat, leave
from publisher.notify.wire.client import WebhookClient

SLOTS = 500
"""Requests in flight, as `Flights` deals them out."""
DRAIN_S = 20.0
"""How long a stopping sender waits for its requests in flight."""

_IDLE_PAUSE_S, _BUSY_PAUSE_S, _STAY_BUSY_S = 0.25, 0.01, 0.05
_FLUSH_ROWS, _FLUSH_MOST, _FLUSH_S = 250, 1_000, 0.2
# Each in a transaction of its own, while nothing is recorded.
_SETTLED_MOST = 20
_MOST_REPORTS = 5_000
_LEAVE_S = 0.25
_LAST_FLUSH_S = 5.0
log = structlog.get_logger("publisher.pump")


class Pump:
    """Sends webhooks until it is told to stop.

    The database is asked in two threads, so the loop never waits for it: in one what is ours and what is due,
    in the other what came of it is recorded, each one question at a time. Nothing is sent inside a
    transaction, and nothing without a lease that still holds.
    """

    def __init__(
        self,
        sessions: Sessions,
        client: WebhookClient,
        box: SecretBox,
        *,
        slots: int = SLOTS,
        drain_s: float = DRAIN_S,
        observer: Observer | None = None,
    ) -> None:
        """Own no shard yet.

        Args:
            client: made in the loop that runs this pump; stays the caller's to close.
            slots: as of `Flights`.
            drain_s: how long `run` waits for them when it is told to stop.
            observer: hears of every attempt; what it raises disturbs none.
        """
        self.id = new_id()
        self._looking, self._recording = Asking(sessions), Asking(sessions)
        # Claims and beats take turns: what one was told of leases holds until its answer is put to use.
        self._turn = asyncio.Lock()
        self._client = client
        self._box = box
        self._drain_s = drain_s
        self._observer = Harmless(observer or Observer())
        self._in_hand = InHand(slots)
        self._holdings = NOTHING
        self._more = False
        self._ended = False
        self._sending: set[asyncio.Task[None]] = set()
        self._woken = asyncio.Event()
        self._reported = asyncio.Event()
        self._enough = asyncio.Event()

    def wake(self) -> None:
        """Look for work at once; to be called in the loop."""
        self._woken.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Send until `stop` is set, then give back idle shards at once, and others when their work is over.

        Raises:
            ExceptionGroup: when a part of it failed in a way that trying again does not help.
        """
        try:
            async with asyncio.TaskGroup() as group:
                beating = group.create_task(self._keep(self._beat, every_s=BEAT_S))
                flushing = group.create_task(self._keep_flushing())
                await self._keep_claiming(group, stop)
                beating.cancel()
                leaving = group.create_task(self._keep(self._leave, every_s=_LEAVE_S))
                await self._finish_sending()
                await self._finish_flushing(flushing)
                leaving.cancel()
            # Without a database the leases simply run out.
            await unhindered(self._leave, pause_s=0)
        finally:
            self._looking.end()
            self._recording.end()

    async def _keep(self, step: Callable[[], Awaitable[None]], *, every_s: float) -> None:
        while True:
            started = time.monotonic()
            self._observer.beats(self._in_hand, shards=len(self._holdings.leases))
            await unhindered(step)
            await asyncio.sleep(max(0.0, started + every_s - time.monotonic()))

    async def _beat(self) -> None:
        async with self._turn:
            await asyncio.sleep(0)  # What was claimed in the turn before begins: `LastLook` relies on it.
            started, flying, busy = time.monotonic(), self._in_hand.flying, self._in_hand.shards
            before = self._holdings.leases.keys()
            self._holdings = await self._looking.ask(
                partial(beat, me=self.id, in_flight=flying, busy=busy, started=started, before=self._holdings)
            )
        gained = self._holdings.leases.keys() - before
        self._in_hand.tidy()
        if gained:
            log.info("pump.shards", held=len(self._holdings.leases), draining=len(self._holdings.draining))
            self.wake()

    async def _keep_claiming(self, group: asyncio.TaskGroup, stop: asyncio.Event) -> None:
        busy_until = 0.0
        while not stop.is_set():
            self._woken.clear()
            if await unhindered(lambda: self._claim(group)):
                busy_until = time.monotonic() + _STAY_BUSY_S
            if self._more and self._in_hand.has_room:
                continue
            busy = self._more or time.monotonic() < busy_until
            # Not `wait_for`, which may swallow a cancellation before Python 3.12.
            with suppress(TimeoutError):
                idle_s = max(_BUSY_PAUSE_S, min(_IDLE_PAUSE_S, self._in_hand.looks_again_in_s))
                async with asyncio.timeout(_BUSY_PAUSE_S if busy else idle_s):
                    await self._woken.wait()

    async def _claim(self, group: asyncio.TaskGroup) -> int:
        async with self._turn:
            now = time.monotonic()
            # A shard that is to go, and cannot as long as somebody hangs, is sent from meanwhile: not to
            # whoever might hang, too, so that it goes as soon as it can.
            held_up = self._in_hand.held_up(self._holdings.draining)
            ours = self._holdings.claimable_with(held_up)
            leases = {shard: one for shard, one in ours.items() if one.holds(now)}
            room = self._in_hand.room(leases, without_slow=bool(held_up))
            if not leases or not room.slots or len(self._in_hand.reports) > _MOST_REPORTS:
                # Full of work: there may be more, as soon as something ends.
                self._more = bool(leases) and not room.slots
                return 0
            found = await self._looking.ask(
                lambda session: claim(session, leases, room, box=self._box, now=datetime.now(UTC))
            )
            self._more = found.more
            begun = self._in_hand.learn(found, room)
            for one in begun:
                sending = group.create_task(self._send(one))
                self._sending.add(sending)
                sending.add_done_callback(self._sending.discard)
            # One slice a look: meanwhile no lease is renewed.
            for endpoint_id in list(found.ended)[:1]:
                await self._looking.ask(partial(stop_waiting, endpoint_id=endpoint_id))
        return len(begun)

    async def _send(self, claimed: Claimed) -> None:
        report: Report | None = None
        try:
            # An answer that came while the record was asked counts, too.
            if self._is_ours(claimed) and not self._in_hand.is_silent(claimed.endpoint_id):
                traceparent = self._observer.begins(claimed)
                jitter = random.uniform(-1, 1)
                report = await attempt(self._client, claimed, jitter=jitter, traceparent=traceparent)
                self._observer.ended(report)
        finally:
            freed = self._in_hand.land(claimed, report)
        if not self._woken.is_set() and (freed or (self._more and self._in_hand.has_room)):
            self.wake()
        self._reported.set()
        # Whoever keeps an order gets the next only when it is in the record what came of this one.
        is_enough = len(self._in_hand.reports) >= _FLUSH_ROWS or claimed.fifo
        if is_enough or not (self._in_hand.flying or self._more):
            self._enough.set()

    def _is_ours(self, claimed: Claimed) -> bool:
        lease = self._holdings.leases.get(claimed.shard)
        return lease is not None and lease.token == claimed.token and lease.holds(time.monotonic())

    async def _keep_flushing(self) -> None:
        while self._in_hand.reports or not self._ended:
            await self._reported.wait()
            with suppress(TimeoutError):
                async with asyncio.timeout(_FLUSH_S):
                    await self._enough.wait()
            self._reported.clear()
            self._enough.clear()
            while self._in_hand.reports:
                await unhindered(self._flush)

    async def _flush(self) -> None:
        reports = with_few_to_settle(self._in_hand.reports[:_FLUSH_MOST], most=_SETTLED_MOST)
        for report in to_settle(reports):
            await self._recording.ask(partial(settle, report=report))
        recorded = await self._recording.ask(lambda session: flush(session, reports))
        self._in_hand.forget(reports)
        self._observer.recorded(recorded, not_ours=len(reports) - len(recorded))
        if any(one.claimed.fifo for one in reports):
            self.wake()
        succeeded = sum(one.answer.succeeded for one in reports)
        log.info(
            "pump.recorded",
            succeeded=succeeded,
            failed=len(reports) - succeeded,
            not_ours=len(reports) - len(recorded),
        )

    async def _finish_sending(self) -> None:
        self._more = False
        if self._sending:
            await asyncio.wait(self._sending, timeout=self._drain_s)
        # What was cut off stays due: another sender sends it again, under the same webhook-id.
        for sending in self._sending:
            sending.cancel()
        if self._sending:
            await asyncio.wait(self._sending)

    async def _finish_flushing(self, flushing: asyncio.Task[None]) -> None:
        self._ended = True
        self._reported.set()
        self._enough.set()
        await asyncio.wait([flushing], timeout=_LAST_FLUSH_S)
        flushing.cancel()

    async def _leave(self) -> None:
        async with self._turn:
            busy, started = self._in_hand.shards, time.monotonic()
            self._holdings = await self._looking.ask(
                partial(leave, me=self.id, busy=busy, started=started, before=self._holdings)
            )
