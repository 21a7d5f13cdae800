"""`doctor`: look at everything that the system stands on, and say what to do."""

from datetime import UTC, datetime
from functools import partial

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from publisher.text import clean_line
from workers.commands.options import AsJson, Data
from workers.commands.output import print_json
from workers.commands.starting import settings_of
from workers.demo.screen import demo_console, print_plainly
from workers.doctor.examination import examine
from workers.doctor.finding import Finding, Level

_NAME_WIDTH = 18
_STYLES = {Level.OK: "green", Level.WARNING: "yellow", Level.PROBLEM: "bold red"}


def doctor(*, data: Data = None, as_json: AsJson = False) -> None:
    """Look at settings, servers and processes; exit 1 when there is a problem."""
    findings = []
    console = demo_console(quiet=as_json)
    for one in examine(partial(settings_of, data), at=datetime.now(UTC)):
        findings.append(one)
        _show(console, one)
    if as_json:
        print_json([one.as_json() for one in findings])
    if any(one.level is Level.PROBLEM for one in findings):
        raise typer.Exit(1)


def _show(console: Console, one: Finding) -> None:
    found, action = clean_line(one.found), clean_line(one.action)
    if not console.is_terminal:
        # A line each, so that it can be searched.
        advice = f"; {action}" if action else ""
        print_plainly(console, f"{one.level:<8} {one.name:<{_NAME_WIDTH}} {found}{advice}")
        return
    told = Text(found)
    if action:
        told.append(f"\n{action}", "bold")
    line = Table.grid(padding=(0, 1, 0, 0))
    line.add_column(width=8)
    line.add_column(width=_NAME_WIDTH)
    line.add_column(overflow="fold")
    line.add_row(Text(one.level, _STYLES[one.level]), one.name, told)
    console.print(line)
