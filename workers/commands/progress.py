"""A bar for what takes longer than a second: on a terminal, beside what is printed, and nowhere else."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

_QUICK_S = 1.0


@contextmanager
def progress(
    what: str, total: int | None, *, console: Console | None = None
) -> Iterator[Callable[[int], None]]:
    """Yield a function that is told how much more is done; the bar is gone afterwards.

    Args:
        what: is done, as people read it.
        total: None: nobody knows.
        console: None: standard error.
    """
    console = console or Console(stderr=True)
    columns = (TextColumn(what), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    task = bar.add_task(what, total=total)
    slow_at = time.monotonic() + _QUICK_S

    def advance(count: int) -> None:
        if not bar.live.is_started and time.monotonic() >= slow_at:
            bar.start()
        bar.update(task, advance=count)

    try:
        yield advance
    finally:
        bar.stop()
