"""The processes of docker-compose: `web`, `relay`, `worker`, `sender`, and the one-shot `migrate`."""

import os
import signal
import threading
from typing import Annotated

import typer

from publisher.database import Channel, sessions
from publisher.errors import SettingsError
from publisher.events import Queue
from publisher.notify.secrets.box import SecretBox
from publisher.notify.secrets.endpoint_secrets import refuse_key
from publisher.settings import PREFIX, Settings
from workers.commands.starting import start
from workers.connections import Kind
from workers.listen import Listener
from workers.metrics.listener import serve_metrics
from workers.metrics.record import RecordMeters
from workers.metrics.registry import new_registry
from workers.metrics.relaying import RelayMeters
from workers.metrics.requests import WebMeters
from workers.metrics.sending import SenderMeters
from workers.metrics.steps import StepMeters
from workers.metrics.wire import Wire
from workers.opening import (
    check_redis_or_warn,
    open_database,
    prepare_database,
    wait_for_redis,
    warn_of_database,
)
from workers.pipeline import app
from workers.ports import refuse_port
from workers.relay import Relay
from workers.sender import SENDER_ARGUMENTS, install_pump
from workers.surroundings.redis import connect_to_redis
from workers.tracing.setup import spans_of
from workers.web import create_app, serve

_QUIET = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "WARNING"]


def web(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8000,
) -> None:
    """Serve the API, the feeds and the pages."""
    settings = start("web")
    if settings.metrics_port == port:
        raise SettingsError(f"{PREFIX}METRICS_PORT: {port} is where the API listens, expected another port")
    refuse_port(host, port)
    engine = open_database(settings, Kind.WEB)
    warn_of_database(engine, settings, {Kind.WEB: 1, Kind.LISTEN: 1})
    registry = new_registry("web")
    meters, spans = WebMeters(registry), spans_of("web")
    application = create_app(settings, sessions(engine, app.routes), meters=meters, spans=spans)
    serve_metrics(settings, registry)
    try:
        serve(application, host=host, port=port)
    finally:
        if spans is not None:
            spans.close()


def relay() -> None:
    """Send due work from the outbox to the workers."""
    settings = start("relay")
    engine = open_database(settings, Kind.RELAY)
    app.configure(settings)
    warn_of_database(engine, settings, {Kind.RELAY: 1, Kind.LISTEN: 1})
    check_redis_or_warn(settings)
    factory, registry = sessions(engine, app.routes), new_registry("relay")
    serve_metrics(settings, registry)
    if settings.metrics_port is not None:
        RecordMeters(factory, registry).start()
    stop = threading.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signal_number, lambda *_: stop.set())
    with Listener(settings.direct_url(), Channel.OUTBOX) as listener:
        redis, meters = connect_to_redis(settings), RelayMeters(registry)
        Relay(app, factory, redis, meters=meters).run(listener, stop)


def worker(
    concurrency: Annotated[
        int, typer.Option(min=1, help="Processes that run tasks; the default is one a core.")
    ] = os.cpu_count() or 1,
) -> None:
    """Enrich, publish, render feeds and fan out."""
    settings = start("worker")
    app.configure(settings)
    _check_database(settings, Kind.WORKER, processes=concurrency)
    _measure_steps(settings)
    wait_for_redis(settings)
    queues = ",".join(Queue)
    name = f"worker-{os.getpid()}@%h"
    app.worker_main(["worker", "-Q", queues, "-c", str(concurrency), "-n", name, *_QUIET])


def sender() -> None:
    """Deliver webhooks."""
    settings = start("sender")
    app.configure(settings)
    install_pump(app)
    _check_database(settings, Kind.SENDER, processes=1)
    check_redis_or_warn(settings)
    registry = new_registry("sender")
    app.attempts = SenderMeters(registry)
    serve_metrics(settings, registry)
    app.worker_main(["worker", "-n", f"sender-{os.getpid()}@%h", *SENDER_ARGUMENTS, *_QUIET])


def migrate() -> None:
    """Bring the database to the schema of this version."""
    prepare_database(start("migrate"), Kind.MIGRATE)


def _measure_steps(settings: Settings) -> None:
    if settings.metrics_port is None:
        return
    registry, wire = new_registry("worker"), Wire()
    app.observers = (wire.tell,)
    wire.hear(StepMeters(registry).count)
    serve_metrics(settings, registry)


def _check_database(settings: Settings, kind: Kind, *, processes: int) -> None:
    engine = open_database(settings, kind)
    listening = {}
    if kind is Kind.SENDER:
        listening = {Kind.LISTEN: 1}
        with sessions(engine, app.routes).begin() as session:
            refuse_key(session, SecretBox.of(settings))
    warn_of_database(engine, settings, {kind: processes, **listening})
    engine.dispose()


PROCESSES = (web, relay, worker, sender, migrate)
"""What docker-compose runs, one each; each is a command of its name."""
