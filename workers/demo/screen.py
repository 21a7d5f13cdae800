"""What the demo shows: a table that moves on a terminal, one plain line an event anywhere else."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from rich.cells import cell_len
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from workers.demo.board import Board, Journey, Stage

_SHORTEST_TITLE, _STAGE_WIDTH = 16, 9


class Screen(Protocol):
    """Shows how far the articles are."""

    def show(self, board: Board) -> None:
        """Show what is new; call it many times a second."""


class LiveScreen:
    """A table in the terminal, always as it is now."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def show(self, board: Board) -> None:
        """Draw the table again."""
        table = journeys_table(board.journeys, width=self._live.console.width)
        self._live.update(table, refresh=True)


class PlainScreen:
    """A line for each stage that an article has passed."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._told: set[tuple[int, str]] = set()

    def show(self, board: Board) -> None:
        """Print a line for each event since the last time, in the order in which they happened."""
        news = [
            (journey.sent_at + seconds, number, stage.value, f"{seconds:6.2f} s", journey.title)
            for number, journey in enumerate(board.journeys)
            for stage, seconds in journey.reached.items()
            if (number, stage.value) not in self._told
        ]
        for _, number, stage, seconds, title in sorted(news):
            self._told.add((number, stage))
            print_plainly(self._console, f"{stage:<9} {seconds}  {title}")
        for number, journey in enumerate(board.journeys):
            if journey.note and (number, journey.note) not in self._told:
                self._told.add((number, journey.note))
                print_plainly(self._console, f"{journey.note}: {journey.title}")


class NoScreen:
    """For programs, which read the report."""

    def show(self, board: Board) -> None:
        """Show nothing."""


def demo_console(*, quiet: bool) -> Console:
    """Return where the demo prints; only a terminal that wants them gets control characters."""
    wants_none = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    if sys.stdout.isatty() and not wants_none:
        return Console(highlight=False, quiet=quiet)
    return Console(highlight=False, quiet=quiet, force_terminal=False, color_system=None)


@contextmanager
def opened_screen(console: Console) -> Iterator[Screen]:
    """Yield the screen that fits the console; what moved is gone afterwards, and the cursor is back."""
    if console.quiet:
        yield NoScreen()
    elif console.is_terminal:
        with Live(console=console, auto_refresh=False, transient=True) as live:
            yield LiveScreen(live)
    else:
        yield PlainScreen(console)


def journeys_table(journeys: Sequence[Journey], *, width: int) -> Table:
    """Return each article with the seconds that it took to each stage.

    Args:
        width: of the screen, in cells; titles give way.
    """
    longest = max((cell_len(journey.title) for journey in journeys), default=0)
    room = max(_SHORTEST_TITLE, width - len(Stage) * (_STAGE_WIDTH + 1))
    table = Table(box=None, pad_edge=False, padding=(0, 0, 0, 1), header_style="bold")
    table.add_column("article", width=min(longest, room), no_wrap=True, overflow="ellipsis")
    for stage in Stage:
        table.add_column(stage.value, width=_STAGE_WIDTH, justify="right", no_wrap=True)
    for journey in journeys:
        table.add_row(Text(journey.title), *(_cell(journey, stage) for stage in Stage))
    return table


def print_plainly(console: Console, text: str) -> None:
    """Print text as it is: no markup, no line broken at the edge, so that it can be copied."""
    console.print(Text(text), soft_wrap=True)


def _cell(journey: Journey, stage: Stage) -> Text:
    if stage in journey.reached:
        return Text(f"{journey.reached[stage]:.2f} s", style="green")
    if journey.note and stage is Stage.RECEIVED:
        return Text("refused", style="red")
    if stage not in journey.expected:
        first = next(one for one in Stage if one not in journey.expected)
        return Text((stage is first and journey.note) or "–", style="dim")
    return Text("…" if journey.sent_at and stage is journey.missing[0] else "", style="yellow")
