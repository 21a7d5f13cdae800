"""The system under test: real processes, as docker-compose runs them, on the test's own servers."""

import base64
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psycopg
from redis import Redis
from sqlalchemy import Engine, func, select, text, update

from publisher.database import Sessions, sessions
from publisher.events import EventType, Queue
from publisher.ingest.record import record, record_all
from publisher.ingest.submission import Submission
from publisher.notify.endpoints.endpoint_in import EndpointIn
from publisher.notify.endpoints.store import create
from publisher.notify.secrets.box import SecretBox
from publisher.schema import ArticleRow, DeliveryRow, EventRow, EventTaskRow, StepRow
from publisher.server_urls import for_libpq
from tests.databases import empty, is_empty
from tests.free_ports import free_port
from tests.pipeline.forked import Forked
from tests.pipeline.harmed import Harm
from tests.waiting import eventually
from workers.pipeline import app
from workers.queues import key_of, waiting_messages, waiting_tokens

DOMAIN = "news.example"
SECRET_KEY = "a secret key for tests only"
# No promise of ours: so long may it take on a crowded machine until a process that was started works.
STARTS_WITHIN_S = 60.0
REDIS_PREFIX = "publisher:"
"""Begins the keys of the system under test in Redis: the default."""


class System:
    """Starts, stops and kills processes of the system, and looks at what they have done."""

    def __init__(
        self, sessions: Sessions, redis: Redis, environment: Mapping[str, str], folder: Path
    ) -> None:
        self.sessions = sessions
        self.redis = redis
        self._environment = {"PUBLISHER_REDIS_PREFIX": REDIS_PREFIX, **environment}
        self._folder = folder
        self._children: list[Forked] = []

    def start(self, *argv: str, module: str = "workers", **settings: str) -> Forked:
        """Start one process: `start("worker", "--concurrency", "1")`; settings are environment variables.

        Args:
            module: that is run with these arguments.
        """
        child = Forked(
            argv,
            module=module,
            environment={**os.environ, **self._environment, **settings},
            log=self._folder / f"{len(self._children)}-{argv[0]}.log",
        )
        self._children.append(child)
        return child

    def start_harmed(self, harm: Harm, *argv: str, **settings: str) -> Forked:
        """Start one process to which something will happen."""
        return self.start(*harm.arguments, *argv, module="tests.pipeline.harmed", **settings)

    def start_web(self, harm: Harm | None = None, **settings: str) -> httpx.Client:
        """Start the web process, wait until it answers, and return a client that speaks to it."""
        port = free_port()
        argv = ("web", "--port", str(port))
        self.start_harmed(harm, *argv, **settings) if harm else self.start(*argv, **settings)
        base_url = f"http://127.0.0.1:{port}"
        eventually(lambda: _answers(base_url), within_s=STARTS_WITHIN_S)
        return httpx.Client(base_url=base_url, trust_env=False)

    @property
    def newest(self) -> Forked:
        """The process that was started last."""
        return self._children[-1]

    def kill(self, child: Forked) -> None:
        """Kill a process and all that it forked, at once."""
        child.kill()

    def stop(self) -> None:
        """End every process that still runs."""
        for child in self._children:
            child.kill()

    def submit(self, number: int, **fields: Any) -> UUID:
        """Record an article, as the API would; return its id."""
        with self.sessions.begin() as session:
            return record(session, _submission(number, **fields), tag_domain=DOMAIN).article_id

    def submit_together(self, count: int) -> None:
        """Record several articles in one transaction."""
        with self.sessions.begin() as session:
            record_all(session, [_submission(number) for number in range(count)], tag_domain=DOMAIN)

    def subscribe(self, url: str = f"https://{DOMAIN}/hook") -> UUID:
        """Register an endpoint; return its id."""
        with self.sessions.begin() as session:
            endpoint, _ = create(session, EndpointIn(url=url), box=SecretBox(SECRET_KEY), owner=None)
        return endpoint.id

    def statuses(self) -> dict[UUID, str]:
        """Return the status of every article."""
        with self.sessions() as session:
            return dict(session.execute(select(ArticleRow.id, ArticleRow.status)).all())

    def owed(self, task: str | None = None) -> int:
        """Return how many obligations are left that are not stuck, of one task or of all."""
        wanted = select(func.count()).select_from(EventTaskRow).where(~EventTaskRow.stuck)
        if task is not None:
            wanted = wanted.where(EventTaskRow.task == task)
        with self.sessions() as session:
            return session.scalar(wanted) or 0

    def events(self, event_type: EventType) -> int:
        """Return how many events of a type there were."""
        with self.sessions() as session:
            return session.scalar(select(func.count()).where(EventRow.type == event_type)) or 0

    def steps(self, task: str) -> int:
        """Return how many obligations of a task were fulfilled."""
        with self.sessions() as session:
            return session.scalar(select(func.count()).where(StepRow.task == task)) or 0

    def send(self, task: str, event_ids: list[str], *, token: UUID) -> None:
        """Put a message into Redis, as the relay does."""
        app.send_task(task, args=(event_ids,), task_id=str(token), queue=Queue.PIPELINE.value)

    def waiting(self, queue: Queue = Queue.PIPELINE) -> int:
        """Return how many messages of a queue no worker has taken yet."""
        return waiting_messages(self.redis, queue, prefix=self._environment["PUBLISHER_REDIS_PREFIX"])

    def waiting_events(self) -> list[str]:
        """Return the event ids in the messages that no worker has taken yet."""
        key = key_of(Queue.PIPELINE, self._environment["PUBLISHER_REDIS_PREFIX"])
        messages = [json.loads(message) for message in self.redis.lrange(key, 0, -1)]
        bodies = [json.loads(base64.b64decode(message["body"])) for message in messages]
        return sorted(event for args, *_ in bodies for event in args[0])

    @contextmanager
    def locked(self, article: UUID) -> Iterator[None]:
        """Hold an article's row: whoever wants to write results about it waits."""
        url = for_libpq(self._environment["PUBLISHER_DATABASE_URL"])
        with psycopg.connect(url) as connection:
            connection.execute("SELECT FROM article WHERE id = %s FOR UPDATE", (article,))
            yield

    @contextmanager
    def locked_table(self, name: str) -> Iterator[None]:
        """Hold a whole table: whoever wants to read or write it waits."""
        url = for_libpq(self._environment["PUBLISHER_DATABASE_URL"])
        with psycopg.connect(url) as connection:
            connection.execute(f'LOCK TABLE "{name}"')
            yield

    def expire_leases(self) -> None:
        """Make every lease run out now."""
        with self.sessions.begin() as session:
            session.execute(update(EventTaskRow).values(lease_until=func.now() - timedelta(seconds=1)))

    def leased(self) -> int:
        """Return how many obligations have a lease that holds."""
        with self.sessions() as session:
            return session.scalar(select(func.count()).where(EventTaskRow.lease_until > func.now())) or 0

    def taken(self) -> list[UUID]:
        """Return the events that somebody has begun, or keeps from others without having begun."""
        with self.sessions() as session:
            leased = session.scalars(select(EventTaskRow).where(EventTaskRow.token.is_not(None))).all()
        prefix = self._environment["PUBLISHER_REDIS_PREFIX"]
        waiting = waiting_tokens(self.redis, list(Queue), prefix=prefix)
        return [one.event_id for one in leased if one.started_at is not None or one.token not in waiting]

    def starts(self, article: UUID) -> int:
        """Return how often the obligation of an article was begun."""
        with self.sessions() as session:
            starts = select(EventTaskRow.starts).where(EventTaskRow.subject == article)
            return session.scalar(starts) or 0

    def connections(self, application_name: str) -> int:
        """Return how many connections processes of that name have to the database: `publisher relay`."""
        wanted = text("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE :name")
        with self.sessions() as session:
            return session.scalar(wanted, {"name": f"{application_name} %"}) or 0

    def deliveries(self, state: str) -> int:
        """Return how many deliveries are in a state."""
        with self.sessions() as session:
            return session.scalar(select(func.count()).where(DeliveryRow.state == state)) or 0

    def wait_until_delivered(self, *, within_s: float = 10) -> None:
        """Wait until no delivery is pending any more."""
        eventually(lambda: self.deliveries("pending") == 0, within_s=within_s)

    def wait_until_it_goes_on(self, *, within_s: float = STARTS_WITHIN_S) -> None:
        """Wait until processes that were started just now are up: something more is done."""
        before = self._done()
        eventually(lambda: self._done() > before or self.owed() == 0, within_s=within_s)

    def _done(self) -> int:
        with self.sessions() as session:
            return session.scalar(select(func.count()).select_from(StepRow)) or 0

    def wait_until_done(self, *, within_s: float = 10) -> None:
        """Wait until nothing is owed any more but what is stuck."""
        eventually(lambda: self.owed() == 0, within_s=within_s)


@contextmanager
def fresh_system(engine: Engine, postgres_url: str, redis_url: str, folder: Path) -> Iterator[System]:
    """Yield a system of which nothing runs yet, on an empty database and an empty Redis; stop it afterwards.

    Args:
        engine: the way to the database of that URL.
        folder: of its logs.
    """
    environment = {
        "PUBLISHER_DATABASE_URL": postgres_url,
        "PUBLISHER_REDIS_URL": redis_url,
        "PUBLISHER_TAG_DOMAIN": DOMAIN,
        "PUBLISHER_SECRET_KEY": SECRET_KEY,
        "PUBLISHER_ALLOWED_NETWORKS": "127.0.0.0/8",
        "PUBLISHER_ALLOW_HTTP": "true",
        "PUBLISHER_LOG_FORMAT": "json",
    }
    app.conf.broker_url = redis_url
    app.conf.broker_transport_options["global_keyprefix"] = REDIS_PREFIX
    # Celery keeps its connections, and the Redis of the test before may be gone.
    app._after_fork()
    if not is_empty(engine):
        empty(engine)
    with Redis.from_url(redis_url) as redis:
        redis.flushdb()
        system = System(sessions(engine, app.routes), redis, environment, folder)
        try:
            yield system
        finally:
            system.stop()
            redis.flushdb()
            empty(engine)


def _submission(number: int, **fields: Any) -> Submission:
    values = {
        "title": f"Bài viết số {number}",
        "url": f"https://{DOMAIN}/{number}",
        "content_text": f"Nội dung của bài viết số {number}.",
        **fields,
    }
    return Submission(**values)


def _answers(base_url: str) -> bool:
    try:
        return httpx.get(f"{base_url}/healthz", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False
