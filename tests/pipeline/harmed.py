"""A process of the system that comes to harm once, at a named point: `python -m tests.pipeline.harmed`.

It is the process that `python -m workers` runs; but when it reaches the point, it sends a real signal to
itself, to its parent or to its whole process group: a SIGKILL that no code survives, a SIGSTOP, a SIGTERM.
"""

import os
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass
from enum import StrEnum
from pathlib import Path
from signal import Signals, pthread_kill
from typing import Any, Self
from urllib.parse import urlsplit

from publisher.api import accepting
from publisher.notify.pump.pump import Pump
from workers import batch, cli
from workers.batch import Batch
from workers.relay import Relay


class Point(StrEnum):
    """Where in its work a process comes to harm."""

    BEFORE_BEGIN = "before begin"  # a worker has taken a message, and begun nothing of it
    COMPUTING = "computing"  # it has computed the first result
    BEFORE_COMMIT = "before commit"  # it has written all results
    AFTER_COMMIT = "after commit"
    BEFORE_SENDING = "before sending"  # a relay has leased work, and sent nothing of it
    AFTER_SENDING = "after sending"  # it has sent the first message of several
    BEFORE_ANSWERING = "before answering"  # a web process has committed an article
    BEFORE_ATTEMPT = "before attempt"  # a sender has claimed a delivery


class Victim(StrEnum):
    """Who gets the signal."""

    ITSELF = "itself"
    PARENT = "parent"
    GROUP = "group"


@dataclass(frozen=True, kw_only=True)
class Harm:
    """What happens to the process.

    Attributes:
        note: a file that does not exist yet: it appears right before the signal, so that there is only one.
        task: only in the work of this task, or to an endpoint with this path; empty: of any.
    """

    point: Point
    signal: Signals
    victim: Victim
    note: Path
    task: str = ""

    @classmethod
    def of(cls, arguments: list[str]) -> Self:
        """Return what `arguments` stands for."""
        point, number, victim, note, task = arguments
        return cls(
            point=Point(point),
            signal=Signals(int(number)),
            victim=Victim(victim),
            note=Path(note),
            task=task,
        )

    @property
    def arguments(self) -> list[str]:
        """The harm as arguments of a command."""
        return [str(one.value if isinstance(one, Signals) else one) for one in astuple(self)]

    @property
    def pid(self) -> int | None:
        """The process that reached the point, or None if none has yet."""
        written = self.note.read_text() if self.note.exists() else ""
        return int(written) if written.endswith("\n") else None

    @property
    def survived(self) -> bool:
        """Whether the process has ended the batch in which it came to harm."""
        return self._survival.exists()

    @property
    def _survival(self) -> Path:
        return self.note.with_suffix(".survived")

    def happen(self, task: str) -> None:
        """Let it happen, here and now, unless it has happened before or is meant for another task."""
        if self.task not in ("", task):
            return
        try:
            with self.note.open("x") as note:
                note.write(f"{os.getpid()}\n")
        except FileExistsError:
            return
        match self.victim:
            case Victim.ITSELF:
                # To this very thread, which so does not get any further before the others stop, too.
                pthread_kill(threading.get_ident(), self.signal)
            case Victim.PARENT:
                os.kill(os.getppid(), self.signal)
            case Victim.GROUP:
                os.killpg(0, self.signal)

    def survive(self) -> None:
        """Note that the batch is over, if it was the one."""
        if self.pid == os.getpid():
            self._survival.touch()


Named = Callable[..., str]


def _before(owner: Any, name: str, task_of: Named) -> Callable[[Harm], None]:
    original = getattr(owner, name)

    def install(harm: Harm) -> None:
        def harmed(*args: Any, **named: Any) -> Any:
            harm.happen(task_of(*args))
            return original(*args, **named)

        setattr(owner, name, harmed)

    return install


def _after(owner: Any, name: str, task_of: Named) -> Callable[[Harm], None]:
    original = getattr(owner, name)

    def install(harm: Harm) -> None:
        def harmed(*args: Any, **named: Any) -> Any:
            result = original(*args, **named)
            harm.happen(task_of(*args))
            return result

        setattr(owner, name, harmed)

    return install


def _while_computing(harm: Harm) -> None:
    original = Batch.compute

    def harmed(self: Any, function: Callable[[Any], Any], loaded: Any) -> Any:
        def compute(value: Any) -> Any:
            result = function(value)
            harm.happen(self.obligations[0].task)
            return result

        return original(self, compute, loaded)

    Batch.compute = harmed  # type: ignore[method-assign]


def _note_survival(harm: Harm) -> None:
    original = Batch.write

    def write(self: Any, *args: Any) -> None:
        try:
            original(self, *args)
        finally:
            harm.survive()

    Batch.write = write  # type: ignore[method-assign]


_INSTALL: Mapping[Point, Callable[[Harm], None]] = {
    Point.BEFORE_BEGIN: _before(batch, "begin", lambda session, task, *_: task),
    Point.COMPUTING: _while_computing,
    Point.BEFORE_COMMIT: _after(batch, "settle", lambda session, fates: next(iter(fates)).task),
    Point.AFTER_COMMIT: _before(batch, "_report", lambda one, fate: one.task),
    Point.BEFORE_SENDING: _before(Relay, "_publish", lambda relay, parcel: parcel.task),
    Point.AFTER_SENDING: _after(Relay, "_publish", lambda relay, parcel: parcel.task),
    Point.BEFORE_ANSWERING: _after(accepting, "store_together", lambda *_: ""),
    Point.BEFORE_ATTEMPT: _before(Pump, "_is_ours", lambda pump, claimed: urlsplit(claimed.url).path),
}


def main() -> None:
    """Run the process that the last arguments name; the first five tell what happens to it."""
    harm = Harm.of(sys.argv[1:6])
    _INSTALL[harm.point](harm)
    _note_survival(harm)
    sys.argv[1:] = sys.argv[6:]
    cli.main()


if __name__ == "__main__":
    main()
