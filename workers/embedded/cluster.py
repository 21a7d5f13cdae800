"""The data of an embedded PostgreSQL: made once, owned by the user that PostgreSQL runs as."""

import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from publisher.errors import SettingsError
from workers.embedded.folder import User, make_private, write_private
from workers.embedded.installation import Installation
from workers.embedded.processes import Child, Program
from workers.embedded.serving import bare_environment

_LARGEST_WAIT = timedelta(minutes=2)
_PREDECESSOR_WAIT_S = 15.0
_BUILTIN_LOCALE_SINCE = 17


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Where one PostgreSQL keeps its data, and how it runs.

    Attributes:
        home: the folder of the data, which belongs to the user.
        log: the file that tells what happened.
        user: whom PostgreSQL runs as; None: the current user.
    """

    home: Path
    log: Path
    installation: Installation
    user: User | None

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.home / "data"


@contextmanager
def program(cluster: Cluster, name: str, arguments: Sequence[str]) -> Iterator[Program]:
    """Yield one of PostgreSQL's programs, to be started inside the block.

    `{home}` in the arguments becomes the way to the home. PostgreSQL's user need not be able to enter
    the folders above it (a project under /root): the way leads through an open descriptor.
    """
    descriptor = os.open(cluster.home, os.O_RDONLY | os.O_DIRECTORY)
    try:
        indirect = cluster.user is not None and sys.platform == "linux"
        home = f"/proc/self/fd/{descriptor}" if indirect else str(cluster.home)
        yield Program(
            argv=(
                str(cluster.installation.programs / name),
                *(argument.replace("{home}", home) for argument in arguments),
            ),
            ends_on=signal.SIGINT,  # "fast shutdown": clients are disconnected
            log=cluster.log,
            user=cluster.user,
            environment=bare_environment(),
            folder=Path("/"),
            descriptors=(descriptor,) if indirect else (),
        )
    finally:
        os.close(descriptor)


def prepare(cluster: Cluster, password: str, *, durable: bool) -> None:
    """Make the data if there is none yet, and see to it that PostgreSQL can start on it.

    Raises:
        SettingsError: when it was made by another version, or another PostgreSQL still runs on it.
    """
    make_private(cluster.home)
    if cluster.user is not None and cluster.home.stat().st_uid != cluster.user.uid:
        os.chown(cluster.home, cluster.user.uid, cluster.user.gid)
    if not cluster.data.exists():
        _create(cluster, password, durable=durable)
    made_by = (cluster.data / "PG_VERSION").read_text(encoding="ascii").strip()
    if made_by != str(cluster.installation.version):
        raise SettingsError(
            f"{cluster.data} was made by PostgreSQL {made_by}, and {cluster.installation.programs} is version"
            f" {cluster.installation.version}: install that version, or start in another data folder"
        )
    _outlast_predecessor(cluster.data)


def _create(cluster: Cluster, password: str, *, durable: bool) -> None:
    draft = cluster.home / "draft"  # what a killed initdb left is not taken for a whole one
    shutil.rmtree(draft, ignore_errors=True)
    password_file = cluster.home / "initdb.password"
    write_private(password_file, password)
    if cluster.user is not None:
        os.chown(password_file, cluster.user.uid, cluster.user.gid)
    try:
        with program(cluster, "initdb", _initdb_arguments(cluster.installation, durable=durable)) as initdb:
            child = Child(initdb)
        status = child.wait(within=_LARGEST_WAIT)
        if status != 0:
            child.stop()
            raise SettingsError(f"PostgreSQL could not make {cluster.data}: {child.complaint()}")
    finally:
        password_file.unlink()
    draft.rename(cluster.data)


def _initdb_arguments(installation: Installation, *, durable: bool) -> list[str]:
    locale = ["--locale=C.UTF-8"]
    if installation.version >= _BUILTIN_LOCALE_SINCE:
        # Independent of the system's libraries, and still lower('ĐẢNG ỦY') is right.
        locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    return [
        "--pgdata={home}/draft",
        "--username=postgres",
        "--pwfile={home}/initdb.password",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        *locale,
        *([] if durable else ["--no-sync"]),
    ]


def _outlast_predecessor(data: Path) -> None:
    # Whoever ran it holds no lock any more, so it is on its way out; PostgreSQL itself would not wait.
    deadline = time.monotonic() + _PREDECESSOR_WAIT_S
    pid_file = data / "postmaster.pid"
    while pid_file.exists() and _runs_on(data, pid_file):
        if time.monotonic() > deadline:
            raise SettingsError(f"already running: another PostgreSQL uses {data}")
        time.sleep(0.02)
    # After a crash or a reboot its number may be somebody else's by now: PostgreSQL would refuse to start.
    # Processes that outlived their postmaster it finds by their shared memory.
    if sys.platform == "linux":
        pid_file.unlink(missing_ok=True)


def _runs_on(data: Path, pid_file: Path) -> bool:
    try:
        pid = int(pid_file.read_text(encoding="utf-8").split("\n", maxsplit=1)[0])
        return Path(f"/proc/{pid}/cwd").samefile(data)  # a postmaster works in its data directory
    except (OSError, ValueError):
        return False
