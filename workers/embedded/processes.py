"""Child processes that never outlive their parent."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import IO

from workers.embedded.folder import User

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
_LARGEST_LOG_BYTES = 5_000_000


@dataclass(frozen=True, kw_only=True)
class Program:
    """What to run as a child.

    Attributes:
        argv: the program's path, then its arguments.
        ends_on: the signal that ends it in order: sent to stop it, and by the kernel when its parent dies.
        log: file that its output is added to; None: it shares its parent's.
        user: whom it becomes first; None: it stays who its parent is.
        environment: all that it gets; None: its parent's.
        stdin: what it reads.
        folder: where it starts; None: where its parent is.
        descriptors: open files that it inherits under the same numbers.
    """

    argv: Sequence[str]
    ends_on: signal.Signals = signal.SIGTERM
    log: Path | None = None
    user: User | None = None
    environment: Mapping[str, str] | None = None
    stdin: bytes = b""
    folder: Path | None = None
    descriptors: Sequence[int] = ()


class Child:
    """A running program, in a session of its own: a Ctrl-C in the terminal reaches the parent only."""

    def __init__(self, program: Program) -> None:
        """Start the program.

        Raises:
            RuntimeError: when called outside the main thread: the kernel ends a child together with the
                thread that started it.
            OSError: when the program cannot be run.
        """
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("children are started from the main thread: they end with the thread")
        self.program = program
        self._log_began = 0
        with ExitStack() as stack:
            log = None
            if program.log is not None:
                log = stack.enter_context(_open_log(program.log))
                self._log_began = log.tell()
            self._process = _spawn(program, log)
        if self._process.stdin is not None:
            with suppress(BrokenPipeError), self._process.stdin as stdin:
                stdin.write(program.stdin)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    def wait(self, *, within: timedelta) -> int | None:
        """Return its exit status (negative: the signal that ended it), or None if it still runs."""
        try:
            return self._process.wait(within.total_seconds())
        except subprocess.TimeoutExpired:
            return None

    def stop(self, *, within: timedelta = timedelta(seconds=10)) -> int:
        """Ask it to end, kill it and its process group if it does not, and return its exit status."""
        self._process.send_signal(self.program.ends_on)
        status = self.wait(within=within)
        if status is not None:
            return status
        # Not reaped yet, so the number of its group cannot be anybody else's.
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        return self._process.wait()

    def complaint(self) -> str:
        """Return the line of its log that tells best why it ended."""
        if self.program.log is None:
            return "its output tells why"
        with self.program.log.open("rb") as log:
            log.seek(self._log_began)
            lines = log.read()[-10_000:].decode(errors="replace").split("\n")
        told = [line.strip() for line in lines if line.strip()]
        telling = [line for line in told if "FATAL" in line or "rror" in line]
        return next(reversed(telling or told), "it said nothing")


def _spawn(program: Program, log: IO[bytes] | None) -> subprocess.Popen[bytes]:
    user = program.user
    return subprocess.Popen(
        list(program.argv),
        stdin=subprocess.PIPE if program.stdin else subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT if log else None,
        env=program.environment,
        cwd=program.folder,
        pass_fds=program.descriptors,
        user=user.uid if user else None,
        group=user.gid if user else None,
        extra_groups=() if user else None,
        start_new_session=True,
        # Runs after the change of user, which would reset what it asks for; takes no lock of other threads.
        preexec_fn=partial(_tie_to, os.getpid(), program.ends_on, ctypes.CDLL(None)),  # noqa: PLW1509
    )


def die_with_parent() -> None:
    """Make the kernel kill this process as soon as the thread that forked it ends, however that happens."""
    _tie_to(os.getppid(), signal.SIGKILL, ctypes.CDLL(None))


def _tie_to(parent: int, ends_on: int, libc: ctypes.CDLL) -> None:
    if sys.platform != "linux":
        return
    libc.prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(ends_on), *[ctypes.c_ulong(0)] * 3)
    if os.getppid() != parent:  # it died before the kernel was asked
        os.kill(os.getpid(), signal.SIGKILL)


def _open_log(path: Path) -> IO[bytes]:
    if path.exists() and path.stat().st_size > _LARGEST_LOG_BYTES:
        path.replace(path.with_name(f"{path.name}.1"))
    return path.open("ab")
