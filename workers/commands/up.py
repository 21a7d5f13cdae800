"""`up`: the whole system on one machine, in the foreground."""

import os
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from workers.commands.output import print_line
from workers.commands.starting import start
from workers.machine import Plan, start_machine
from workers.stopping import until_stopped

_MOST_PROCESSES = 16
_STOPS_WITHIN = timedelta(seconds=10)
Folder = Annotated[
    Path | None,
    typer.Option("--data", help="Folder of servers, logs and keys.", show_default=".publisher"),
]
Port = Annotated[
    int | None,
    typer.Option(min=1, max=65535, help="Port of the API and the feeds.", show_default="8000, or a free one"),
]


def up(*, data: Folder = None, port: Port = None) -> None:
    """Run everything on this machine until Ctrl-C; print where once it is ready."""
    settings = start("up")
    plan = Plan(
        data=data or settings.data,
        port=port,
        concurrency=min(os.cpu_count() or 1, _MOST_PROCESSES),
        stops_within=_STOPS_WITHIN,
    )
    with ExitStack() as held, until_stopped():
        machine = start_machine(plan, held, tell=_be_quiet)
        print_line(f"ready: {machine.url}")
        while True:
            machine.tend()


def _be_quiet(_sentence: str) -> None:
    """Say nothing: whoever reads the output waits for one line."""
