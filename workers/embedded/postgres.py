"""An embedded PostgreSQL: one server on a free port of 127.0.0.1, its data in a folder."""

from contextlib import ExitStack
from functools import partial
from pathlib import Path

import psycopg

from publisher.errors import SettingsError
from workers.embedded.cluster import Cluster, prepare, program
from workers.embedded.folder import hold, secret, unprivileged_user
from workers.embedded.installation import find_postgres
from workers.embedded.processes import Child
from workers.embedded.serving import serve

# Hot tables are vacuumed every few seconds or their claims become slow (see the tables' own settings).
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "autovacuum_naptime": "5s",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
_NOT_DURABLE = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}


class EmbeddedPostgres:
    """PostgreSQL as a child of this process, in `postgres/` of a data folder.

    Beside it lie `postgres.log`, `postgres.password` (mode 600) and `postgres.lock`.
    """

    def __init__(self, folder: Path, *, durable: bool = True, bundled: bool = True) -> None:
        """Prepare to start.

        Args:
            folder: the data folder; made if it is missing.
            durable: False lets a crash of the machine destroy the data: for tests.
            bundled: False runs the system's PostgreSQL, not the one that comes with this project.
        """
        self._folder = folder.absolute()
        self._bundled = bundled
        self._durable = durable
        self._password = ""
        self._port: int | None = None
        self._child: Child | None = None
        self._held = ExitStack()

    @property
    def running(self) -> bool:
        """Whether the server has been started and has not ended."""
        return self._child is not None and self._child.running

    @property
    def pid(self) -> int | None:
        """The process id of the server, once it was started."""
        return self._child.pid if self._child else None

    @property
    def url(self) -> str:
        """The address, `postgresql+psycopg://…`, which names a superuser and the password."""
        if self._port is None:
            raise RuntimeError("PostgreSQL was not started")
        return self._address("postgresql+psycopg", self._port)

    def start(self) -> str:
        """Start the server and return its url; one that ended starts again on the same port.

        Raises:
            SettingsError: when PostgreSQL is missing, another process uses the folder, or it does not
                start; the message is one line that says what to do.
        """
        if self.running:
            return self.url
        self.stop()
        try:
            with ExitStack() as held:
                held.enter_context(hold(self._folder / "postgres.lock"))
                launch = partial(self._launch, self._prepared())
                self._child, self._port = serve(launch, self._answers, port=self._port)
                self._held = held.pop_all()
        except OSError as error:
            raise SettingsError(f"PostgreSQL cannot start in {self._folder}: {error}") from error
        return self.url

    def stop(self) -> None:
        """Stop the server, in order, and let go of the folder."""
        if self._child is not None:
            self._child.stop()
        self._held.close()

    def _prepared(self) -> Cluster:
        home = self._folder / "postgres"
        password_file = self._folder / "postgres.password"
        if (home / "data").exists() and not password_file.exists():
            raise SettingsError(f"{password_file} is missing: bring it back, or start in another data folder")
        user = unprivileged_user(home)
        cluster = Cluster(
            home=home,
            log=self._folder / "postgres.log",
            installation=find_postgres(user, bundled=self._bundled),
            user=user,
        )
        self._password = secret(password_file)
        prepare(cluster, self._password, durable=self._durable)
        return cluster

    def _launch(self, cluster: Cluster, port: int) -> Child:
        settings = {**_SETTINGS, "port": str(port), **({} if self._durable else _NOT_DURABLE)}
        options = [f"--{name}={value}" for name, value in settings.items()]
        with program(cluster, "postgres", ["-D", "{home}/data", *options]) as postgres:
            return Child(postgres)

    def _answers(self, port: int) -> bool:
        try:
            psycopg.connect(self._address("postgresql", port), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _address(self, scheme: str, port: int) -> str:
        return f"{scheme}://postgres:{self._password}@127.0.0.1:{port}/postgres"
