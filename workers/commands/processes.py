"""The processes of docker-compose: `web`, `relay`, `worker`, `sender`, and the one-shot `migrate`."""

import os
import signal
import threading
from typing import Annotated

import typer
from redis import Redis

from publisher.database import Channel, connect, sessions
from publisher.events import Queue
from publisher.housekeeping import begin_housekeeping
from publisher.migrations import migrate as run_migrations
from workers.commands.starting import open_database, start
from workers.listen import Listener
from workers.pipeline import app
from workers.relay import Relay
from workers.sender import SENDER_ARGUMENTS, install_pump
from workers.web import serve

_QUIET = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "WARNING"]


def web(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8000,
) -> None:
    """Serve the API, the feeds and the pages."""
    settings = start("web")
    engine = open_database(settings, application_name="publisher web", pool_size=20)
    serve(settings, sessions(engine, app.routes), host=host, port=port)


def relay() -> None:
    """Send due work from the outbox to the workers."""
    settings = start("relay")
    engine = open_database(settings, application_name="publisher relay", pool_size=2)
    app.configure(settings)
    stop = threading.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signal_number, lambda *_: stop.set())
    redis = Redis.from_url(settings.require("redis_url"), socket_timeout=5, socket_connect_timeout=2)
    with Listener(settings.require("database_url"), Channel.OUTBOX) as listener:
        Relay(app, sessions(engine, app.routes), redis).run(listener, stop)


def worker(
    concurrency: Annotated[
        int, typer.Option(min=1, help="Processes that run tasks; the default is one a core.")
    ] = os.cpu_count() or 1,
) -> None:
    """Enrich, publish, render feeds and fan out."""
    settings = start("worker")
    open_database(settings, application_name="publisher worker").dispose()
    app.configure(settings)
    queues = ",".join(Queue)
    name = f"worker-{os.getpid()}@%h"
    app.worker_main(["worker", "-Q", queues, "-c", str(concurrency), "-n", name, *_QUIET])


def sender() -> None:
    """Deliver webhooks."""
    settings = start("sender")
    open_database(settings, application_name="publisher sender").dispose()
    app.configure(settings)
    install_pump(app)
    app.worker_main(["worker", "-n", f"sender-{os.getpid()}@%h", *SENDER_ARGUMENTS, *_QUIET])


def migrate() -> None:
    """Bring the database to the schema of this version."""
    settings = start("migrate")
    engine = connect(settings.require("database_url"), application_name="publisher migrate")
    run_migrations(engine)
    with sessions(engine, app.routes).begin() as session:
        begin_housekeeping(session)
    engine.dispose()


PROCESSES = (web, relay, worker, sender, migrate)
"""What docker-compose runs, one each; each is a command of its name."""
