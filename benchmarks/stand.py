"""What a measurement stands on: servers of its own, and the system's processes, all ended with it."""

import json
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import timedelta
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
from redis import Redis
from sqlalchemy import create_engine, func, make_url, select, text

from publisher.access import Scope, create_key
from publisher.database import Sessions, connect, sessions
from publisher.migrations import migrate
from publisher.schema import EventTaskRow
from workers.embedded import Child, EmbeddedPostgres, EmbeddedValkey, Program
from workers.pipeline import app

DOMAIN = "news.example"
SECRET_KEY = "a secret key for benchmarks only"
_PROJECT = Path(__file__).parents[1]
_LOOK_EVERY_S = 0.02
_STARTS_WITHIN_S = 30.0
Seen = TypeVar("Seen")


class CannotMeasure(Exception):
    """Something did not start, or did not come to its end in time; the message says what."""


class Stand:
    """An embedded PostgreSQL, durable as in earnest, and an embedded Valkey, in a temporary folder."""

    def __init__(self) -> None:
        self._ending = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as unless_it_starts:
            self.folder = Path(tempfile.mkdtemp(prefix="publisher-benchmarks-"))
            unless_it_starts.callback(shutil.rmtree, self.folder, ignore_errors=True)
            postgres = EmbeddedPostgres(self.folder, durable=True)
            unless_it_starts.callback(postgres.stop)
            self._postgres_url = make_url(postgres.start())
            valkey = EmbeddedValkey(self.folder / "valkey")
            unless_it_starts.callback(valkey.stop)
            self.redis_url = valkey.start()
            self._administer("ALTER SYSTEM SET log_line_prefix = '%d|%a|'", "SELECT pg_reload_conf()")
            self._ending = unless_it_starts.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.close()

    @property
    def postgres_log(self) -> Path:
        """What PostgreSQL says; each line begins with `database|application|`."""
        return self.folder / "postgres.log"

    def database(self, name: str, settings: Mapping[str, str]) -> str:
        """Make an empty database with the system's tables, and return its url.

        Args:
            settings: PostgreSQL's, of every session in this database.
        """
        changes = (f"ALTER DATABASE \"{name}\" SET {one} = '{value}'" for one, value in settings.items())
        self._administer(f'CREATE DATABASE "{name}"', *changes)
        url = self._postgres_url.set(database=name).render_as_string(hide_password=False)
        made = connect(url)
        migrate(made)
        made.dispose()
        return url

    def _administer(self, *statements: str) -> None:
        engine = create_engine(self._postgres_url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for statement in statements:
                connection.execute(text(statement))
        engine.dispose()


class System:
    """The system's processes, as docker-compose runs them, on a database of their own and an empty Valkey."""

    def __init__(self, stand: Stand, name: str, settings: Mapping[str, str] | None = None) -> None:
        """Make the database; nothing runs yet.

        Args:
            settings: PostgreSQL's, of every session in this database.
        """
        self.name = name
        self._database_url = stand.database(name, settings or {})
        self.redis_url = stand.redis_url
        self.folder = stand.folder / name
        self.folder.mkdir()
        self.environment: dict[str, str] = {}
        """What every process gets that is started from now on, besides the settings that all have."""
        self._children: list[Child] = []
        self._numbers = count()
        with Redis.from_url(stand.redis_url) as redis:
            redis.flushdb()
        self._engine = connect(self._database_url, application_name="publisher benchmarks")
        self.sessions: Sessions = sessions(self._engine, app.routes)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end_all()
        self._engine.dispose()

    def start(self, *argv: str) -> Child:
        """Start one process of the system: `start("worker", "--concurrency", "1")`."""
        return self.run("workers", *argv)

    @property
    def newest_child(self) -> Child:
        """The process that was started last."""
        return self._children[-1]

    def start_web(self) -> str:
        """Start the web process, and return its address once it answers."""
        return self.serve("workers", "web", "--port")

    def serve(self, module: str, *argv: str) -> str:
        """Start a module's web server, which takes a free port as its last argument; return its address."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = int(free.getsockname()[1])
        self.run(module, *argv, str(port))
        url = f"http://127.0.0.1:{port}"
        self.until(lambda: _answers(url), within_s=_STARTS_WITHIN_S)
        return url

    def run(self, module: str, *argv: str, descriptors: tuple[int, ...] = ()) -> Child:
        """Start a module of this project as a process; what it says goes to a file."""
        child = Child(
            Program(
                argv=(sys.executable, "-m", module, *argv),
                environment=self._environment(),
                log=self.folder
                / f"{next(self._numbers)}-{module}-{argv[0] if argv else ''}.log".replace("/", "_"),
                folder=self.folder,
                descriptors=descriptors,
            )
        )
        self._children.append(child)
        return child

    def end(self, child: Child) -> None:
        """End a process and all that it forked, at once."""
        self._children.remove(child)
        if child.running:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait(within=timedelta(seconds=5))

    def end_all(self) -> None:
        """End every process, at once."""
        for child in list(self._children):
            self.end(child)

    def result_of(self, module: str, *argv: str, within_s: float = 120) -> Any:
        """Run a module to its end, and return the JSON that is its last line.

        Raises:
            CannotMeasure: when it fails, or takes too long.
        """
        child = self.run(module, *argv)
        status = child.wait(within=timedelta(seconds=within_s))
        self.end(child)
        if status != 0:
            raise CannotMeasure(f"{module} ended with {status}: {child.complaint()}")
        assert child.program.log is not None
        return json.loads(child.program.log.read_text("utf-8").rstrip().rpartition("\n")[2])

    def key(self, *scopes: Scope) -> str:
        """Return a new API key."""
        with self.sessions.begin() as session:
            return create_key(session, name="benchmarks", scopes=scopes)[1]

    def owed(self) -> int:
        """Return how many obligations are left; housekeeping, which always comes due again, is none."""
        left = select(func.count()).select_from(EventTaskRow).where(EventTaskRow.task != "housekeeping")
        with self.sessions() as session:
            return session.scalar(left) or 0

    def tidy(self) -> None:
        """Leave nothing to autovacuum and the checkpointer that would fall into a measurement."""
        with self.sessions() as session:
            connection = session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
            connection.execute(text("VACUUM ANALYZE"))
            connection.execute(text("CHECKPOINT"))

    def until(self, look: Callable[[], Seen], *, within_s: float, every_s: float = _LOOK_EVERY_S) -> Seen:
        """Return what `look` returns as soon as it is true.

        Raises:
            CannotMeasure: when the time is over, or a process of the system failed.
        """
        deadline = time.monotonic() + within_s
        while not (seen := look()):
            if time.monotonic() > deadline:
                raise CannotMeasure(f"did not come to its end within {within_s:g} s; last seen: {seen!r}")
            for child in self._children:
                if not child.running and child.wait(within=timedelta(0)) != 0:
                    raise CannotMeasure(f"{' '.join(child.program.argv[2:])} failed: {child.complaint()}")
            time.sleep(every_s)
        return seen

    def _environment(self) -> dict[str, str]:
        # The settings of whoever runs this are not the benchmarks' settings.
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PUBLISHER_")}
        return {
            **kept,
            "PYTHONPATH": str(_PROJECT),
            "PUBLISHER_DATABASE_URL": self._database_url,
            "PUBLISHER_REDIS_URL": self.redis_url,
            "PUBLISHER_TAG_DOMAIN": DOMAIN,
            "PUBLISHER_SECRET_KEY": SECRET_KEY,
            "PUBLISHER_ALLOWED_NETWORKS": "127.0.0.0/8",
            "PUBLISHER_ALLOW_HTTP": "true",
            "PUBLISHER_LOG_FORMAT": "json",
            **self.environment,
        }


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False
