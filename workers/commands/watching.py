"""`status --watch`: the state of the whole, once a second, also while PostgreSQL goes away and comes back."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.live import Live
from rich.text import Text
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from publisher.database import Sessions
from publisher.notify.fan_out.message import instant
from workers.commands.output import print_json, print_line
from workers.commands.status_view import print_status, status_screen
from workers.overview import overview
from workers.stopping import until_stopped

_EVERY_S = 1.0
_LATE_S = 3.0
_PACE_LOOKS = 60
# PostgreSQL counts them as it goes, so that nobody has to count rows.
_WRITTEN = text("""
SELECT coalesce(sum(n_tup_ins) FILTER (WHERE relname = 'article'), 0) AS articles,
    coalesce(sum(n_tup_ins) FILTER (WHERE relname LIKE 'step%'), 0) AS steps,
    coalesce(sum(n_tup_ins) FILTER (WHERE relname LIKE 'attempt%'), 0) AS attempts
FROM pg_stat_user_tables WHERE relname ~ '^(article|(step|attempt)_([0-9]{8}|default))$'
""")


@dataclass(frozen=True, kw_only=True)
class Sight:
    """What was seen last.

    Attributes:
        shown: what `overview` returned, with the pace; None: nothing was seen yet.
        at: when, on the monotonic clock.
        hindrance: why nothing is seen now; empty when something is.
    """

    at: float
    shown: Mapping[str, Any] | None = None
    hindrance: str = ""

    def trouble(self, *, at: float) -> str:
        """Return what is wrong, or nothing: it may be that PostgreSQL does not even refuse."""
        if not self.hindrance and at - self.at < _LATE_S:
            return ""
        why = f" ({self.hindrance})" if self.hindrance else ""
        return f"PostgreSQL does not answer, for {at - self.at:.0f} s{why}"


class Watcher:
    """Looks once a second, in a thread of its own: whoever shows it never waits for PostgreSQL."""

    def __init__(self, sessions: Sessions) -> None:
        self.sight = Sight(at=time.monotonic())
        self._sessions = sessions
        self._written: deque[tuple[float, Mapping[str, float]]] = deque(maxlen=_PACE_LOOKS)
        self._over = threading.Event()
        self._seen = threading.Event()
        self._thread = threading.Thread(target=self._keep_looking, name="watch", daemon=True)

    def __enter__(self) -> Self:
        """Begin, and wait a moment for the first look."""
        self._thread.start()
        self._seen.wait(_LATE_S)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Look no more; a look that hangs is left to itself."""
        self._over.set()
        self._thread.join(_EVERY_S)

    def sights(self) -> Iterator[Sight]:
        """Yield each sight once, and one that is late again and again: what is wrong with it gets worse."""
        shown: Sight | None = None
        while True:
            self._seen.clear()
            sight = self.sight
            if sight is not shown or sight.trouble(at=time.monotonic()):
                shown = sight
                yield sight
            self._seen.wait(_EVERY_S)

    def _keep_looking(self) -> None:
        while not self._over.is_set():
            began = time.monotonic()
            try:
                self.sight = self._look()
            except SQLAlchemyError as error:
                told = str(getattr(error, "orig", error)).strip().partition("\n")[0]
                self.sight = replace(self.sight, hindrance=told)
                self._written.clear()
            self._seen.set()
            self._over.wait(max(0.0, began + _EVERY_S - time.monotonic()))

    def _look(self) -> Sight:
        with self._sessions() as session:
            shown = overview(session)
            counted = session.execute(_WRITTEN).mappings().one()
        at = time.monotonic()
        self._written.append((at, {name: float(count) for name, count in counted.items()}))
        return Sight(at=at, shown={**shown, "pace": pace(self._written)})


def pace(written: deque[tuple[float, Mapping[str, float]]]) -> dict[str, float]:
    """Return how many of each were written a minute, between the first look and the last; none after one."""
    (first, before), (last, now) = written[0], written[-1]
    if last <= first:
        return {}
    # What was dropped meanwhile is counted no more.
    return {
        name: round(max(0.0, count - before[name]) / (last - first) * 60, 1) for name, count in now.items()
    }


def watch(sessions: Sessions, console: Console, *, as_json: bool) -> None:
    """Show the state once a second, until somebody asks this process to end."""
    with until_stopped(), Watcher(sessions) as watcher, _shower(console, as_json=as_json) as show:
        for sight in watcher.sights():
            show(sight)


@contextmanager
def _shower(console: Console, *, as_json: bool) -> Iterator[Callable[[Sight], None]]:
    """Yield what shows a sight: lines of JSON, a live view on a terminal, or blocks of plain lines."""
    if as_json:
        yield _print_line_of_json
    elif console.is_terminal:
        with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
            yield lambda sight: live.update(_screen(sight), refresh=True)
    else:
        yield _print_block


def _screen(sight: Sight) -> Any:
    trouble = sight.trouble(at=time.monotonic())
    if sight.shown is None:
        return Text(trouble or "PostgreSQL is asked …")
    note = f"{sight.shown['at'][:19]}Z" + (f" · {trouble}" if trouble else " · Ctrl-C ends")
    return status_screen(sight.shown, note=note, is_bad=bool(trouble))


def _print_line_of_json(sight: Sight) -> None:
    trouble = sight.trouble(at=time.monotonic())
    if trouble or sight.shown is None:
        print_json({"at": instant(datetime.now(UTC)), "error": trouble or "nothing was seen yet"})
    else:
        print_json(sight.shown)


def _print_block(sight: Sight) -> None:
    trouble = sight.trouble(at=time.monotonic())
    if trouble or sight.shown is None:
        print_line(f"{instant(datetime.now(UTC))} {trouble or 'nothing was seen yet'}")
        return
    print_line(sight.shown["at"])
    print_status(sight.shown)
    print_line("")
