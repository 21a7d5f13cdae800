"""Processes that are at work at once: forked from one that has loaded the modules of the system already.

Most of the time that a process takes to start goes into loading modules, and the tests of guarantees start
some two hundred. What runs is `python -m workers` all the same, in a session of its own, and ends by signals.
"""

import atexit
import multiprocessing
import os
import random
import runpy
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from tests.waiting import eventually
from workers.embedded.processes import die_with_parent

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["workers.cli"])


class Forked:
    """A running process; it ends with the process that runs the tests, at the latest."""

    def __init__(
        self, argv: Sequence[str], *, module: str, environment: Mapping[str, str], log: Path
    ) -> None:
        """Start `python -m module argv…`.

        Args:
            environment: all that it gets.
            log: file that its output is added to.
        """
        self._process = _context.Process(target=_run, args=(module, argv, environment, log))
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid
        # Python waits for its children before it ends, for ever if need be.
        atexit.register(self.kill)
        eventually(lambda: not self.running or os.getpgid(self.pid) == self.pid)

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.is_alive()

    def wait(self, *, within: timedelta) -> int | None:
        """Return its exit status (negative: the signal that ended it), or None if it still runs."""
        self._process.join(within.total_seconds())
        return self._process.exitcode

    def stop(self, *, within: timedelta = timedelta(seconds=10)) -> int:
        """Ask it to end, kill it and its process group if it does not, and return its exit status."""
        # Its number may be gone as soon as it has ended: the process that it was forked from reaps it.
        with suppress(ProcessLookupError):
            if self.running:
                os.kill(self.pid, signal.SIGTERM)
        if self.wait(within=within) is None:
            self.kill()
        status = self._process.exitcode
        assert status is not None
        return status

    def kill(self) -> None:
        """Kill it and all that it forked, at once, if it still runs."""
        with suppress(ProcessLookupError):
            if self.running:
                os.killpg(self.pid, signal.SIGKILL)
        self.wait(within=timedelta(seconds=5))


def _run(module: str, argv: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
    os.setsid()
    die_with_parent()
    with log.open("ab") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    random.seed()
    sys.argv = [module, *argv]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
