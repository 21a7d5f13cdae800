"""The servers of one test run: a PostgreSQL, a Redis for each process that runs tests, and their keeper.

The keeper is a child of the process that was started as pytest. It starts the servers when the first test
asks for them, gives each test process a database and a Redis of its own, and ends with its parent, even
when that is killed. `PUBLISHER_TEST_DATABASE_URL` and `PUBLISHER_TEST_REDIS_URL` name servers to use instead;
`PUBLISHER_TEST_SERVERS=system` starts the programs that the system has, not those that come with the project.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

import redis
from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.exc import SQLAlchemyError

from publisher.database import connect
from publisher.errors import PublisherError
from publisher.migrations import migrate
from workers.embedded import Child, EmbeddedPostgres, EmbeddedValkey, Program
from workers.embedded.installation import find_postgres
from workers.embedded.valkey import find_valkey

DATABASE_SETTING = "PUBLISHER_TEST_DATABASE_URL"
REDIS_SETTING = "PUBLISHER_TEST_REDIS_URL"
SERVERS_SETTING = "PUBLISHER_TEST_SERVERS"
_SOCKET = "keeper.socket"
_LONGEST_START_S = 120.0


@dataclass(frozen=True, kw_only=True)
class Addresses:
    """The servers of one test process."""

    postgres_url: str
    redis_url: str


class ServersMissing(Exception):
    """The keeper could not start a server; the message says why."""


def bundled_servers() -> bool:
    """Return whether tests run on the servers that come with the project.

    Raises:
        ServersMissing: when the setting says neither.
    """
    told = os.environ.get(SERVERS_SETTING) or "bundled"
    if told not in ("bundled", "system"):
        raise ServersMissing(f"{SERVERS_SETTING}: is {told!r}, expected bundled or system")
    return told == "bundled"


def versions() -> str:
    """Return what the servers are that the tests run on."""
    if given := [name for name in (DATABASE_SETTING, REDIS_SETTING) if os.environ.get(name)]:
        return f"servers: those of {' and '.join(given)}"
    try:
        bundled = bundled_servers()
        programs = (find_postgres(None, bundled=bundled).programs / "postgres", find_valkey(bundled=bundled))
    except (ServersMissing, PublisherError) as error:
        return f"servers: {error}"
    told = [
        subprocess.run([one, "--version"], capture_output=True, text=True, check=False) for one in programs
    ]
    return f"servers: {', '.join(one.stdout.strip() for one in told)}"


def postgres_in(folder: Path, *, durable: bool = True) -> EmbeddedPostgres:
    """Return a PostgreSQL of the kind that the tests run on; not started yet."""
    return EmbeddedPostgres(folder, durable=durable, bundled=bundled_servers())


def redis_in(folder: Path) -> EmbeddedValkey:
    """Return a Redis of the kind that the tests run on; not started yet."""
    return EmbeddedValkey(folder, bundled=bundled_servers())


class Keeper:
    """The keeper as its parent sees it."""

    def __init__(self) -> None:
        # Closed to other users: who reaches the socket learns the password of a superuser.
        self.folder = Path(tempfile.mkdtemp(prefix="publisher-tests-"))
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self.folder / _SOCKET))
            listener.listen(64)
            self._child = Child(
                Program(
                    argv=(sys.executable, "-m", "tests.servers", str(self.folder), str(listener.fileno())),
                    folder=Path(__file__).parents[1],
                    descriptors=(listener.fileno(),),
                )
            )

    def stop(self) -> None:
        """End the servers and remove what they kept."""
        self._child.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def ask_keeper(folder: Path, process: str) -> Addresses:
    """Return the servers of this test process; the first who asks waits until they are started.

    Raises:
        ServersMissing: when they cannot be started.
    """
    with socket.socket(socket.AF_UNIX) as asking:
        asking.settimeout(_LONGEST_START_S)
        asking.connect(str(folder / _SOCKET))
        asking.sendall(process.encode())
        asking.shutdown(socket.SHUT_WR)
        answer = json.loads(_read(asking) or '{"error": "the keeper of the test servers died"}')
    if "error" in answer:
        raise ServersMissing(answer["error"])
    return Addresses(**answer)


def fill_template(url: str) -> None:
    """Give the template of every test database its tables."""
    engine = connect(url)
    migrate(engine)
    engine.dispose()


class _Servers:
    """The keeper's inside: servers and databases, made on demand and ended with the stack."""

    def __init__(self, folder: Path, ending: ExitStack) -> None:
        self._folder = folder
        self._ending = ending
        self._given = 0

    def addresses(self, process: str) -> Addresses:
        return Addresses(postgres_url=self._database(process), redis_url=self._redis(process))

    @cached_property
    def _admin(self) -> Engine:
        url = os.environ.get(DATABASE_SETTING)
        if not url:
            server = postgres_in(self._folder, durable=False)
            self._ending.callback(server.stop)
            url = server.start()
        given = make_url(url).set(drivername="postgresql+psycopg")
        engine = create_engine(given, isolation_level="AUTOCOMMIT")
        self._ending.callback(engine.dispose)
        return engine

    @cached_property
    def _template(self) -> str:
        template = self._create("template")
        fill_template(self._url(template))
        return template

    def _database(self, process: str) -> str:
        return self._url(self._create(process, template=self._template))

    def _create(self, purpose: str, *, template: str = "template0") -> str:
        name = f"publisher_test_{os.getpid()}_{purpose}"
        self._drop(name)
        with self._admin.connect() as connection:
            connection.execute(text(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'))
        if os.environ.get(DATABASE_SETTING):  # else it ends with its server
            self._ending.callback(self._drop, name)
        return name

    def _drop(self, name: str) -> None:
        with self._admin.connect() as connection:
            connection.execute(text(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))

    def _url(self, database: str) -> str:
        return self._admin.url.set(database=database).render_as_string(hide_password=False)

    def _redis(self, process: str) -> str:
        if given := os.environ.get(REDIS_SETTING):
            first = int(urlsplit(given).path.strip("/") or 0)
            url = urlsplit(given)._replace(path=f"/{first + self._given}").geturl()
            self._given += 1
            with redis.Redis.from_url(url) as client:
                client.flushdb()
            return url
        server = redis_in(self._folder / process)
        self._ending.callback(server.stop)
        return server.start()


def main(folder: Path, descriptor: int) -> None:
    """Keep the servers until SIGTERM, which the kernel sends when the parent is gone."""
    signal.signal(signal.SIGTERM, _end)
    with ExitStack() as ending, socket.socket(fileno=descriptor) as listener:
        ending.callback(shutil.rmtree, folder, ignore_errors=True)
        servers = _Servers(folder, ending)
        while True:
            asking, _ = listener.accept()
            with asking:
                asking.sendall(json.dumps(_answer(servers, _read(asking).decode())).encode())


def _end(number: int, frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)  # once is enough: the parent's end must not disturb the ending
    sys.exit(0)


def _answer(servers: _Servers, process: str) -> dict[str, str]:
    try:
        return asdict(servers.addresses(process))
    except (ServersMissing, PublisherError, SQLAlchemyError, redis.RedisError, OSError) as error:
        return {"error": str(error)}


def _read(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(4096), b""))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
