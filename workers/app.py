"""The Celery application: how tasks travel, and what each process holds while it runs them."""

from collections.abc import Callable

from celery import Celery, Task, signals

from feeds.style import FeedStyle
from publisher.archive import Archive
from publisher.database import Sessions, connect, sessions
from publisher.enrich.language import load_models
from publisher.events import Queue, Routes
from publisher.outbox.obligation import LEASE
from publisher.settings import Settings
from workers.embedded.processes import die_with_parent

TIME_LIMIT_S = LEASE.total_seconds() - 1
"""Hard limit of a task: its process is killed while its lease still holds."""
# Short of it by far: a batch that meets a lock is written one by one, and only the locked one fails.
_LOCK_TIMEOUT_S = 1.0


class PublisherApp(Celery):  # type: ignore[misc]  # Celery has no types
    """Celery with this project's settings, and with the sessions of the process that it runs in."""

    settings: Settings
    archive: Archive
    style: FeedStyle
    routes: Routes
    sessions: Sessions

    def stage(self, name: str) -> Callable[[Callable[[Task, list[str]], None]], Task]:
        """Register a function as the task that runs a stage; it gets the task itself, and event ids."""
        decorator: Callable[[Callable[[Task, list[str]], None]], Task] = self.task(name=name, bind=True)
        return decorator

    def configure(self, settings: Settings) -> None:
        """Take the settings; nothing connects yet."""
        self.settings = settings
        self.archive = Archive(base_url=settings.base_url)
        self.style = FeedStyle.of(settings)
        self.conf.broker_url = settings.require("redis_url")

    def open(self, *, pool_size: int = 2) -> None:
        """Make the sessions of this process; after a fork, never before."""
        engine = connect(
            self.settings.require("database_url"),
            pool_size=pool_size,
            application_name="publisher worker",
            lock_timeout_s=_LOCK_TIMEOUT_S,
        )
        self.sessions = sessions(engine, self.routes)


app = PublisherApp("publisher", set_as_current=False)
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
    app.open()


def _load(**_: object) -> None:
    # Before the fork, so that every process shares one copy.
    load_models()


signals.worker_init.connect(_load, weak=False)
signals.worker_process_init.connect(_open, weak=False)
