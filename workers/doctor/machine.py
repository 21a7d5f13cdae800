"""Checks of this machine: what is set, which versions run, and how much room its disks have."""

import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from publisher import __version__
from publisher.settings import Settings, unknown_names
from workers.doctor.finding import Finding, ok, problem, warning

OLDEST_PYTHON = (3, 11)
_LITTLE_BYTES, _NONE_BYTES = 2_000_000_000, 200_000_000


def check_names() -> Iterator[Finding]:
    """Look for names that begin as ours and are no setting."""
    if names := unknown_names():
        yield warning(
            "settings",
            f"unknown: {', '.join(names)}",
            "correct or remove them: docs/settings.md has them all",
        )
    else:
        yield ok("settings", "every name is known, and they agree with each other")


def check_versions() -> Iterator[Finding]:
    """Look at the versions of this program and of Python."""
    found = f"publisher {__version__}, Python {platform.python_version()}"
    if sys.version_info < OLDEST_PYTHON:
        yield problem("versions", found, "install Python 3.11 or newer")
    else:
        yield ok("versions", found)


def check_disks(settings: Settings) -> Iterator[Finding]:
    """Look at the room for the data folder and for temporary files of this machine."""
    data = settings.data.absolute()
    folder = next(one for one in (data, *data.parents) if one.exists())
    yield room("disk", folder, shutil.disk_usage(folder).free)
    temporary = Path(tempfile.gettempdir())
    yield room("temporary files", temporary, shutil.disk_usage(temporary).free)


def room(name: str, folder: Path, free: int) -> Finding:
    """Judge how much room a folder has.

    Args:
        free: bytes.
    """
    found = f"{size(free)} free in {folder}"
    if free < _NONE_BYTES:
        return problem(name, found, "make room now: PostgreSQL stops on a full disk")
    if free < _LITTLE_BYTES:
        return warning(name, found, "make room: `publisher prune`, or a larger disk")
    return ok(name, found)


def size(count: int) -> str:
    """Return a number of bytes as people read it."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1_000:
            return f"{count:.0f} {unit}"
        count //= 1_000
    return f"{count:.0f} TB"
