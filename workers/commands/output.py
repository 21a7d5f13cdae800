"""What commands print: JSON for programs, aligned columns for people, one line for what went wrong."""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from publisher.text import clean_line

# Nobody reads a pipe on a screen: nothing is wrapped there, or cut off.
_WIDTH_OF_A_PIPE = 10_000


def print_json(value: Any) -> None:
    """Print one line of JSON in UTF-8, whatever the locale."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n"
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace"))
    sys.stdout.buffer.flush()


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table; None is an empty cell, and nothing in a cell can control the terminal."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _WIDTH_OF_A_PIPE
    box = SIMPLE_HEAD if console.is_terminal else None
    table = Table(*columns, box=box, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(Text("" if cell is None else clean_line(str(cell))) for cell in row))
    console.print(table)


def print_line(text: str) -> None:
    """Print one line for people."""
    typer.echo(clean_line(text))


def complain(text: str) -> None:
    """Print one line about what went wrong on standard error."""
    typer.echo(f"publisher: {clean_line(text)}", err=True)
