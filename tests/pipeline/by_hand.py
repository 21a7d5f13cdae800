"""The pipeline without processes: a test leases, delivers and kills, message by message, in any order.

All but Redis and Celery's pool is the real thing: the relay's leases, the tasks of workers/pipeline.py, their
batches. A message is a parcel in a list; a process dies before one of its statements reaches PostgreSQL.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from celery import Task
from sqlalchemy import Connection, Engine, event, func, select, update

from feeds.style import FeedStyle
from publisher.archive import Archive
from publisher.database import Sessions, sessions
from publisher.outbox.lease import Parcel, lease_due, look_ahead, take_back
from publisher.outbox.obligation import LEASE
from publisher.outbox.watch import replay
from publisher.schema import EventTaskRow
from tests.pipeline.system import DOMAIN
from workers.pipeline import app

BASE_URL = f"https://{DOMAIN}"
STYLE = FeedStyle(
    title="Tin tức", author="Toà soạn", language="vi", base_url=BASE_URL, tag_domain=DOMAIN, length=50
)
_SOON = timedelta(hours=1)


class Killed(BaseException):
    """The process is no more: nothing catches it on the way, and no transaction survives it."""


class ByHand:
    """Relay, Redis and workers in one pair of hands."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.sessions: Sessions = sessions(engine, app.routes)
        self.redis: list[Parcel] = []
        self.sent: list[Parcel] = []
        app.sessions = self.sessions
        app.style = STYLE
        self.archive = app.archive = Archive(base_url=BASE_URL)

    def relay(self, *, room: int = 8, forgotten: bool = False) -> None:
        """Send what is due, in at most so many messages a queue.

        Args:
            forgotten: PostgreSQL crashes, and forgets leases whose commit did not wait for the disk.
        """
        with self.sessions() as session:
            parcels = [
                one for queue in look_ahead(session).due for one in lease_due(session, queue, room=room)
            ]
            if not forgotten:
                session.commit()
        self.redis += parcels
        self.sent += parcels

    def take_back(self) -> int:
        """Look at the leases that ran out, as the relay does; return how many obligations are due again."""
        with self.sessions.begin() as session:
            return take_back(session, {one.token for one in self.redis})

    def deliver(self, parcel: Parcel, *, dies_before: int | None = None) -> bool:
        """Let a worker do what a message says; return whether it came to its end.

        Args:
            dies_before: the statement, counted from 0, at which its process is killed.
        """
        task = app.tasks[parcel.task]
        try:
            with dying_before(self.engine, dies_before):
                _run(task, parcel)
        except Killed:
            return False
        return True

    def time_passes(self, span: timedelta = LEASE + timedelta(seconds=1)) -> None:
        """Move every instant of the outbox so far into the past."""
        with self.sessions.begin() as session:
            session.execute(
                update(EventTaskRow).values(
                    due_at=EventTaskRow.due_at - span, lease_until=EventTaskRow.lease_until - span
                )
            )

    def work_through(self) -> None:
        """Deliver and send, in order, until nothing is due any more; what got stuck is sent again."""
        while self.owed():
            self.take_back()
            with self.sessions.begin() as session:
                replay(session, None)
            self.relay()
            if not self.redis:
                self.time_passes(_SOON)
            while self.redis:
                self.deliver(self.redis.pop(0))

    def owed(self) -> int:
        """Return how many obligations come due within the next hour: all but those under an embargo."""
        soon = EventTaskRow.due_at < func.now() + _SOON
        with self.sessions() as session:
            return session.scalar(select(func.count()).select_from(EventTaskRow).where(soon)) or 0


class Sleeper:
    """A worker that is stopped between computing and writing, and goes on when it is told to."""

    def __init__(self, hand: ByHand, parcel: Parcel) -> None:
        """Begin what a message says; return once the process sleeps, or has ended before."""
        self._engine = hand.engine
        self._stopped, self._goes_on = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=hand.deliver, args=(parcel,), daemon=True)
        event.listen(self._engine, "before_cursor_execute", self._look)
        self._thread.start()
        while not self._stopped.wait(0.001) and self._thread.is_alive():
            pass

    @property
    def asleep(self) -> bool:
        """Whether it was stopped, and did not end before."""
        return self._stopped.is_set() and self._thread.is_alive()

    def wake(self) -> None:
        """Let it go on to its end."""
        event.remove(self._engine, "before_cursor_execute", self._look)
        self._goes_on.set()
        self._thread.join()

    def _look(self, connection: Connection, cursor: object, statement: str, *_: Any) -> None:
        # The first statement of the transaction that writes: nothing is locked on the server yet.
        holds = "FROM event_task" in statement and statement.rstrip().endswith("FOR UPDATE")
        if holds and threading.current_thread() is self._thread:
            self._stopped.set()
            self._goes_on.wait()


@contextmanager
def dying_before(engine: Engine, statement: int | None) -> Iterator[None]:
    """Kill whoever uses the engine in this block at its n-th statement; None: nobody."""
    if statement is None:
        yield
        return
    left = statement

    def count(connection: Connection, *_: Any) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise Killed

    event.listen(engine, "before_cursor_execute", count)
    try:
        yield
    finally:
        event.remove(engine, "before_cursor_execute", count)


def _run(task: Task, parcel: Parcel) -> None:
    task.push_request(id=str(parcel.token))
    try:
        task.run([str(one) for one in parcel.event_ids])
    finally:
        task.pop_request()
