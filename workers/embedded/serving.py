"""A server as a child: on a free port of 127.0.0.1, and up once it answers."""

import os
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from pathlib import Path

from publisher.errors import SettingsError
from workers.embedded.processes import Child

_LOOK_EVERY_S = 0.01
_TRIES = 3


def bare_environment() -> dict[str, str]:
    """Return the least that a server needs; our settings and secrets are none of its business."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LD_LIBRARY_PATH")}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}


def serve(
    start_at: Callable[[int], Child],
    answers: Callable[[int], bool],
    *,
    port: int | None = None,
    within: timedelta = timedelta(seconds=60),
) -> tuple[Child, int]:
    """Start a server on a port of 127.0.0.1 and return both once it answers.

    Args:
        port: where it ran before; None: a free one.

    Raises:
        SettingsError: when it ends or does not answer in time.
    """
    complaint = ""
    # Between finding a port free and the server's taking it, another process may take it: try again.
    for candidate in [port] if port else [_free_port() for _ in range(_TRIES)]:
        child = start_at(candidate)
        if _comes_up(child, partial(answers, candidate), within):
            return child, candidate
        complaint = child.complaint()
    raise SettingsError(f"{Path(child.program.argv[0]).name} did not start: {complaint}")


def _comes_up(child: Child, answers: Callable[[], bool], within: timedelta) -> bool:
    """Return whether it answers in time; if not, or if the waiting is interrupted, it is stopped."""
    deadline = time.monotonic() + within.total_seconds()
    with ExitStack() as unless_it_does:
        unless_it_does.callback(child.stop)
        while child.running and time.monotonic() < deadline:
            if answers() and child.running:  # or else it is another process on this port that answers
                unless_it_does.pop_all()
                return True
            time.sleep(_LOOK_EVERY_S)
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
