"""How commands end: 0 done, 1 incomplete, 2 bad input or settings; what went wrong on purpose is one line."""

import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper

import typer
from sqlalchemy.exc import DBAPIError

from publisher.errors import PublisherError
from workers.commands.output import complain

_INCOMPLETE, _BAD_INPUT = 1, 2


def run_and_exit(cli: typer.Typer) -> None:
    """Run the command that this process was started for."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a letter shows a question mark, and the command goes on.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    sys.exit(run(cli))


def run(cli: typer.Typer, arguments: Sequence[str] | None = None) -> int:
    """Run a command and return how it ended: 0 done, 1 incomplete, 2 bad input or settings.

    Args:
        arguments: None: those of this process.
    """
    try:
        ended = cli(arguments, standalone_mode=False)
    except PublisherError as error:
        complain(str(error))
        return _BAD_INPUT
    except typer.TyperException as error:
        return _explain(error)
    except typer.Abort:
        return _INCOMPLETE
    except DBAPIError as error:
        complain(f"the database refused: {str(error.orig).partition(chr(10))[0]}")
        return _INCOMPLETE
    except BrokenPipeError:
        # Whoever read has heard enough; what is still to be flushed at exit goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _INCOMPLETE
    return ended if isinstance(ended, int) else 0


def _explain(error: typer.TyperException) -> int:
    if error.format_message().startswith("Usage:"):
        typer.echo(error.format_message())  # a group without a command: its help
    else:
        complain(error.format_message())
    return error.exit_code
