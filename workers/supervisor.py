"""Keeps the processes of one machine running: starts them, starts again what ends, stops them in order."""

import shutil
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Protocol

import structlog

from publisher.errors import SettingsError
from workers.embedded import Child, Program

LARGEST_LOG_BYTES = 5_000_000
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 2.0
# What ran for so long had started well: the next pause is short again.
_STEADY_S = 10.0
_LOOK_AT_LOGS_EVERY_S = 1.0
log = structlog.get_logger("publisher.supervisor")


class Server(Protocol):
    """A server that runs as a child of this process."""

    @property
    def running(self) -> bool:
        """Whether it has been started and has not ended."""

    def start(self) -> str:
        """Start it and return its url, where it was before."""

    def stop(self) -> None:
        """Stop it, in order."""


class _Process:
    """A program that is to run: its child, and when to start it again."""

    def __init__(self, name: str, program: Program) -> None:
        self.name = name
        self.program = program
        self.child: Child | None = None
        self.endings = 0
        self._pause_s = _FIRST_PAUSE_S
        self._started_at = 0.0
        self._start_at: float | None = None

    def tend(self) -> None:
        """Start it if it does not run and its pause is over."""
        now = time.monotonic()
        if self.child is not None and self.child.running:
            return
        if self.child is not None and self._start_at is None:
            self._note_ending(self.child, now)
        if now >= (self._start_at or 0.0):
            self.child = Child(self.program)
            self._started_at, self._start_at = now, None

    def _note_ending(self, child: Child, now: float) -> None:
        steady = now - self._started_at > _STEADY_S
        self.endings = 1 if steady else self.endings + 1
        self._pause_s = _FIRST_PAUSE_S if self.endings == 1 else min(2 * self._pause_s, _LONGEST_PAUSE_S)
        self._start_at = now + self._pause_s
        if self.endings == 1:  # the same again and again is told once
            status = child.wait(within=timedelta(0))
            log.warning("process.ended", name=self.name, status=status, reason=child.complaint())


class Supervisor:
    """Owns the processes; everything here is called from the main thread, with which children end."""

    def __init__(
        self,
        servers: Mapping[str, Server],
        rounds: Sequence[Mapping[str, Program]],
        *,
        logs: Sequence[Path] = (),
    ) -> None:
        """Start nothing yet.

        Args:
            servers: that run already; started again where they were when they end.
            rounds: programs by name, in the rounds in which they are stopped.
            logs: files, besides those of the programs, that are kept from growing for ever.
        """
        self._servers = dict(servers)
        self._rounds = [[_Process(*one) for one in programs.items()] for programs in rounds]
        self._processes = [process for several in self._rounds for process in several]
        self._logs = [*logs, *(one.program.log for one in self._processes if one.program.log)]
        self._look_at_logs_at = 0.0

    def tend(self) -> None:
        """Start what does not run; call it many times a second."""
        for name, server in self._servers.items():
            if not server.running:
                _start_again(name, server)
        for process in self._processes:
            process.tend()
        if time.monotonic() >= self._look_at_logs_at:
            self._look_at_logs_at = time.monotonic() + _LOOK_AT_LOGS_EVERY_S
            for path in self._logs:
                keep_short(path)

    def pid_of(self, name: str) -> int | None:
        """Return the process id under which a program runs now."""
        child = next(one.child for one in self._processes if one.name == name)
        return child.pid if child is not None and child.running else None

    def failing(self, *, endings: int) -> str | None:
        """Return why a program does not start, once it has ended so often in a row."""
        for process in self._processes:
            if process.endings >= endings and process.child is not None:
                return f"`publisher {process.name}` does not start: {process.child.complaint()}"
        return None

    def stop(self, *, within: timedelta) -> None:
        """Stop every program, round by round.

        Args:
            within: for each; what takes longer is killed.
        """
        with ThreadPoolExecutor() as pool:
            for several in self._rounds:
                children = [one.child for one in several if one.child is not None]
                list(pool.map(partial(Child.stop, within=within), children))


def keep_short(path: Path) -> None:
    """Move what a log holds to `<name>.1` when it has become long.

    Its writer goes on at its new end, since it was opened for adding.
    """
    with suppress(OSError):
        if path.stat().st_size > LARGEST_LOG_BYTES:
            shutil.copyfile(path, path.with_name(f"{path.name}.1"))
            with path.open("r+b") as file:
                file.truncate(0)


def _start_again(name: str, server: Server) -> None:
    log.warning("server.ended", name=name)
    try:
        server.start()
    except SettingsError as error:
        log.warning("server.down", name=name, reason=str(error))
        time.sleep(_LONGEST_PAUSE_S)
