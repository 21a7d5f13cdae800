"""The Celery application: how tasks travel, and what each process holds while it runs them."""

from collections.abc import Callable

from celery import Celery, Task, signals

from feeds.style import FeedStyle
from publisher.archive import Archive
from publisher.database import Sessions, sessions
from publisher.enrich.language import load_models
from publisher.events import Queue, Routes
from publisher.notify.pump.observer import Observer
from publisher.outbox.obligation import LEASE
from publisher.prune.retention import Retention
from publisher.settings import Settings
from publisher.undisturbed import undisturbed
from workers.broker import SteadyAmqp
from workers.connections import Kind, engine_of
from workers.embedded.processes import die_with_parent
from workers.handled import Handled
from workers.memory import limit_memory, worth_replacing_kb
from workers.tracing.setup import spans_of
from workers.tracing.spans import Spans
from workers.tracing.steps import TracedSteps

TIME_LIMIT_S = LEASE.total_seconds() - 1
"""Hard limit of a task: its process is killed while its lease still holds."""
# Short of it by far: a batch that meets a lock is written one by one, and only the locked one fails.
_LOCK_TIMEOUT_S = 1.0


class PublisherApp(Celery):  # type: ignore[misc]  # Celery has no types
    """Celery with this project's settings, and with the sessions of the process that it runs in.

    Attributes:
        observers: each hears what came of every message that this process handled.
        attempts: hears of every attempt to deliver.
    """

    settings: Settings
    archive: Archive
    style: FeedStyle
    retention: Retention
    routes: Routes
    sessions: Sessions
    observers: tuple[Callable[[Handled], None], ...] = ()
    attempts = Observer()
    _spans: Spans | None = None

    def stage(self, name: str) -> Callable[[Callable[[Task, list[str]], None]], Task]:
        """Register a function as the task that runs a stage; it gets the task itself, and event ids."""
        decorator: Callable[[Callable[[Task, list[str]], None]], Task] = self.task(name=name, bind=True)
        return decorator

    def configure(self, settings: Settings) -> None:
        """Take the settings; nothing connects yet."""
        self.settings = settings
        self.archive = Archive(base_url=settings.base_url)
        self.style = FeedStyle.of(settings)
        self.retention = Retention.of(settings)
        self.conf.broker_url = settings.require("redis_url")
        self.conf.worker_max_memory_per_child = worth_replacing_kb(settings.worker_memory_mb)
        options = self.conf.broker_transport_options
        self.conf.broker_transport_options = {**options, "global_keyprefix": settings.redis_prefix}

    def open(self) -> None:
        """Make the sessions of this process; after a fork, never before."""
        engine = engine_of(self.settings, Kind.WORKER, lock_timeout_s=_LOCK_TIMEOUT_S)
        self.sessions = sessions(engine, self.routes)
        self._spans = spans_of("worker")
        if self._spans is not None:
            self.observers = (*self.observers, TracedSteps(self._spans).hear)

    def observe(self, handled: Handled) -> None:
        """Tell everybody who wants to know what came of a message; what they raise disturbs nobody."""
        for hear in self.observers:
            with undisturbed("steps"):
                hear(handled)

    def end_process(self) -> None:
        """Let go of what `open` made."""
        if self._spans is not None:
            self._spans.close()


app = PublisherApp("publisher", set_as_current=False, amqp=SteadyAmqp)
app.conf.update(
    task_default_queue=Queue.PIPELINE,
    task_serializer="json",
    accept_content=["json"],
    task_ignore_result=True,
    task_time_limit=TIME_LIMIT_S,
    # The relay is the only redelivery: what leaves Redis is acknowledged at once, and nothing waits in it.
    task_acks_late=False,
    task_reject_on_worker_lost=False,
    task_acks_on_failure_or_timeout=True,
    worker_disable_prefetch=True,
    worker_prefetch_multiplier=1,
    worker_send_task_events=False,
    worker_hijack_root_logger=False,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    # A full Redis refuses to write: a reason to ask again, not to exit.
    broker_channel_error_retry=True,
    broker_transport_options={
        "visibility_timeout": 24 * 3600,
        "queue_order_strategy": "priority",
        "interval_start": 0,
        "interval_step": 0.5,
        "interval_max": 2,
        "max_retries": 3,
        "socket_timeout": 5,
        "socket_connect_timeout": 2,
        "socket_keepalive": True,
    },
)


def _open(**_: object) -> None:
    die_with_parent()
    limit_memory(app.settings.worker_memory_mb)
    app.open()


def _close(**_: object) -> None:
    app.end_process()


def _load(**_: object) -> None:
    # Before the fork, so that every process shares one copy.
    load_models()


signals.worker_init.connect(_load, weak=False)
signals.worker_process_init.connect(_open, weak=False)
signals.worker_process_shutdown.connect(_close, weak=False)
