"""The sender: a Celery worker that runs the pump in a thread of its own, and ends when the pump does."""

import asyncio
import gc
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
import uvloop
from celery import bootsteps

from publisher.database import Channel, sessions
from publisher.notify.pump.pump import DRAIN_S, Pump
from publisher.notify.secrets.box import SecretBox
from publisher.notify.wire.client import WebhookClient
from workers.app import PublisherApp
from workers.connections import Kind, engine_of
from workers.listen import Listener
from workers.queues import CONTROL_QUEUE
from workers.tracing.attempts import TracedAttempts
from workers.tracing.setup import spans_of

SENDER_ARGUMENTS = ["-P", "threads", "-c", "1", "-Q", CONTROL_QUEUE]
"""Of its Celery worker: no forks, and a queue that carries control tasks only."""

STOP_S = DRAIN_S + 10.0
"""How long a sender may take to end; docker-compose waits longer."""

_LISTEN_S = 0.25
_DIED = 70
log = structlog.get_logger("publisher.sender")


class PumpThread:
    """The pump, its event loop and its connections, from start to stop."""

    def __init__(self, app: PublisherApp) -> None:
        self._app = app
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pump", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        # What lives as long as the process is not looked at again and again, and deliveries make no circles:
        # they are a hundred thousand objects while they are in hand, none of which has to be looked for.
        gc.freeze()
        gc.set_threshold(200_000, 2, 2)
        self._thread.start()

    def stop(self) -> None:
        """Take nothing new, wait for what is in flight, and end."""
        self._stopping.set()
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(STOP_S)

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._pump())
        except BaseException:
            # A worker without its pump looks alive and sends nothing: better to be started again.
            log.critical("pump.died", exc_info=True)
            os._exit(_DIED)

    async def _pump(self) -> None:
        settings = self._app.settings
        self._loop = asyncio.get_running_loop()
        engine = engine_of(settings, Kind.SENDER)
        slots = settings.sender_slots
        client = WebhookClient(allowed=settings.allowed_networks)
        spans = spans_of("sender")
        pump = Pump(
            sessions(engine, self._app.routes),
            client,
            SecretBox.of(settings),
            slots=slots,
            observer=TracedAttempts(spans, self._app.attempts) if spans else self._app.attempts,
        )
        try:
            with self._listening(pump):
                if self._stopping.is_set():
                    self._stop.set()
                await pump.run(self._stop)
        finally:
            await client.aclose()
            engine.dispose()
            if spans:
                spans.close()

    @contextmanager
    def _listening(self, pump: Pump) -> Iterator[None]:
        loop, over = asyncio.get_running_loop(), threading.Event()

        def listen() -> None:
            with Listener(self._app.settings.direct_url(), Channel.DELIVERIES) as listener:
                while not over.is_set():
                    listener.wait(_LISTEN_S)
                    if not over.is_set():
                        loop.call_soon_threadsafe(pump.wake)

        listening = threading.Thread(target=listen, name="pump-listen", daemon=True)
        listening.start()
        try:
            yield
        finally:
            over.set()
            listening.join(2 * _LISTEN_S)


class PumpStep(bootsteps.StartStopStep):  # type: ignore[misc]  # Celery has no types
    """Starts the pump before the worker connects to Redis, so that it sends while Redis is away."""

    requires = {"celery.worker.components:Pool"}  # noqa: RUF012  # Celery's own way to say it

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        self._pump = PumpThread(parent.app)

    def start(self, parent: Any) -> None:
        """Begin to send."""
        self._pump.start()

    def stop(self, parent: Any) -> None:
        """Drain; on SIGTERM, before the worker ends."""
        self._pump.stop()

    terminate = stop


def install_pump(app: PublisherApp) -> None:
    """Make the worker that `app` becomes a sender.

    Raises:
        SettingsError: when a setting that sending needs is missing.
    """
    SecretBox.of(app.settings)
    app.settings.require("database_url")
    app.steps["worker"].add(PumpStep)
