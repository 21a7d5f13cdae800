"""How commands find a running `up` or `demo`: a note in its data folder."""

import json
import os
from pathlib import Path

from publisher.errors import SettingsError
from workers.embedded.folder import write_private

_NOTE = "running.json"


def write_running(data: Path, settings: dict[str, str]) -> None:
    """Leave a note of where the system runs; readable by its owner only, since it holds passwords."""
    write_private(data / _NOTE, json.dumps({"pid": os.getpid(), "settings": settings}))


def forget_running(data: Path) -> None:
    """Remove the note."""
    (data / _NOTE).unlink(missing_ok=True)


def read_running(data: Path) -> dict[str, str]:
    """Return the settings of the system that runs on this folder.

    Raises:
        SettingsError: when none does.
    """
    try:
        note = json.loads((data / _NOTE).read_text())
        os.kill(note["pid"], 0)  # a note that a killed process left behind says nothing
    except (OSError, ValueError, KeyError, TypeError):
        raise SettingsError(
            f"PUBLISHER_DATABASE_URL: is not set, and no `publisher up` or `demo` runs on {data}"
        ) from None
    return {str(name): str(value) for name, value in note["settings"].items()}
