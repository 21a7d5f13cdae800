"""The data folder: one owner at a time, its secrets, and the user that PostgreSQL runs as."""

import fcntl
import os
import pwd
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from publisher.errors import SettingsError

# The first is made for this; the second exists everywhere.
_UNPRIVILEGED = ("postgres", "nobody")
_PATIENCE_S = 1.0


@dataclass(frozen=True, kw_only=True)
class User:
    """A user of the system that a child process becomes."""

    name: str
    uid: int
    gid: int


@contextmanager
def hold(lock: Path) -> Iterator[None]:
    """Hold a lock file; whatever ends this process, kill -9 included, lets go of it.

    Its folder is made if it is missing, closed to other users.

    Raises:
        SettingsError: when another process holds it.
    """
    make_private(lock.parent)
    with lock.open("a+", encoding="utf-8") as file:
        if not _locked(file):
            file.seek(0)
            owner = file.read().strip() or "another one"
            raise SettingsError(f"already running: process {owner} uses {lock.parent}")
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def _locked(file: TextIO) -> bool:
    # A holder that was just killed needs a moment until it is really gone. Children do not inherit the
    # descriptor, so none of them keeps the lock longer than its owner.
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        with suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)


def make_private(folder: Path) -> None:
    """Make a folder that only its owner may enter; one that exists keeps its mode."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)


def secret(path: Path) -> str:
    """Return the secret that a file keeps, which is made (mode 600) if there is none yet."""
    if path.exists() and (kept := path.read_text(encoding="ascii").strip()):
        return kept
    made = secrets.token_urlsafe(32)
    write_private(path, made)
    return made


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text + "\n")
        os.fsync(file.fileno())
    draft.replace(path)


def unprivileged_user(home: Path) -> User | None:
    """Return whom PostgreSQL has to become, since it refuses to run as root; None: nobody else.

    The owner of an existing home stays its owner.

    Raises:
        SettingsError: when this is root and the system has no user to become.
    """
    if os.geteuid() != 0:
        return None
    if home.exists() and home.stat().st_uid != 0:
        status = home.stat()
        return User(name=str(status.st_uid), uid=status.st_uid, gid=status.st_gid)
    for name in _UNPRIVILEGED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return User(name=name, uid=entry.pw_uid, gid=entry.pw_gid)
    raise SettingsError(
        "PostgreSQL refuses to run as root, and this system has no user nobody: run this as another user"
    )
