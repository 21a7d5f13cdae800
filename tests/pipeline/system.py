"""The system under test: real processes, as docker-compose runs them, on the test's own servers."""

import base64
import json
import os
import signal
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psycopg
from redis import Redis
from sqlalchemy import func, select, text, update

from publisher.database import Sessions
from publisher.events import EventType, Queue
from publisher.ingest.record import record, record_all
from publisher.ingest.submission import Submission
from publisher.schema import ArticleRow, EventRow, EventTaskRow, StepRow
from tests.waiting import eventually
from workers.embedded import Child, Program
from workers.pipeline import app

DOMAIN = "news.example"
SECRET_KEY = "a secret key for tests only"


class System:
    """Starts, stops and kills processes of the system, and looks at what they have done."""

    def __init__(
        self, sessions: Sessions, redis: Redis, environment: Mapping[str, str], folder: Path
    ) -> None:
        self.sessions = sessions
        self.redis = redis
        self._environment = dict(environment)
        self._folder = folder
        self._children: list[Child] = []

    def start(self, *argv: str, **settings: str) -> Child:
        """Start one process: `start("worker", "--concurrency", "1")`; settings are environment variables."""
        child = Child(
            Program(
                argv=(sys.executable, "-m", "workers", *argv),
                environment={**os.environ, **self._environment, **settings},
                log=self._folder / f"{len(self._children)}-{argv[0]}.log",
            )
        )
        self._children.append(child)
        return child

    def start_web(self) -> httpx.Client:
        """Start the web process, wait until it answers, and return a client that speaks to it."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.start("web", "--port", str(port))
        base_url = f"http://127.0.0.1:{port}"
        eventually(lambda: _answers(base_url), within_s=20)
        return httpx.Client(base_url=base_url, trust_env=False)

    def kill(self, child: Child) -> None:
        """Kill a process and all that it forked, at once."""
        os.killpg(child.pid, signal.SIGKILL)
        child.wait(within=timedelta(seconds=5))

    def stop(self) -> None:
        """End every process that still runs."""
        for child in self._children:
            if child.running:
                self.kill(child)

    def submit(self, number: int, **fields: Any) -> UUID:
        """Record an article, as the API would; return its id."""
        with self.sessions.begin() as session:
            return record(session, _submission(number, **fields), tag_domain=DOMAIN).article_id

    def submit_together(self, count: int) -> None:
        """Record several articles in one transaction."""
        with self.sessions.begin() as session:
            record_all(session, [_submission(number) for number in range(count)], tag_domain=DOMAIN)

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

    def waiting_events(self) -> list[str]:
        """Return the event ids in the messages that no worker has taken yet."""
        messages = [json.loads(message) for message in self.redis.lrange(Queue.PIPELINE, 0, -1)]
        bodies = [json.loads(base64.b64decode(message["body"])) for message in messages]
        return sorted(event for args, *_ in bodies for event in args[0])

    @contextmanager
    def locked(self, article: UUID) -> Iterator[None]:
        """Hold an article's row: whoever wants to write results about it waits."""
        url = self._environment["PUBLISHER_DATABASE_URL"].replace("postgresql+psycopg:", "postgresql:")
        with psycopg.connect(url) as connection:
            connection.execute("SELECT FROM article WHERE id = %s FOR UPDATE", (article,))
            yield

    def expire_leases(self) -> None:
        """Make every lease run out now."""
        with self.sessions.begin() as session:
            session.execute(update(EventTaskRow).values(lease_until=func.now() - timedelta(seconds=1)))

    def leased(self) -> int:
        """Return how many obligations have a lease that holds."""
        with self.sessions() as session:
            return session.scalar(select(func.count()).where(EventTaskRow.lease_until > func.now())) or 0

    def in_one_message_with(self, article: UUID) -> set[UUID]:
        """Return the articles whose obligations are leased under one token with this one's."""
        token = select(EventTaskRow.token).where(EventTaskRow.subject == article).scalar_subquery()
        with self.sessions() as session:
            return set(session.scalars(select(EventTaskRow.subject).where(EventTaskRow.token == token)))

    def starts(self, article: UUID) -> int:
        """Return how often the obligation of an article was begun."""
        with self.sessions() as session:
            starts = select(EventTaskRow.starts).where(EventTaskRow.subject == article)
            return session.scalar(starts) or 0

    def connections(self, application_name: str) -> int:
        """Return how many connections processes of that name have to the database."""
        wanted = text("SELECT count(*) FROM pg_stat_activity WHERE application_name = :name")
        with self.sessions() as session:
            return session.scalar(wanted, {"name": application_name}) or 0

    def wait_until_done(self, *, within_s: float = 10) -> None:
        """Wait until nothing is owed any more but what is stuck."""
        eventually(lambda: self.owed() == 0, within_s=within_s)


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
