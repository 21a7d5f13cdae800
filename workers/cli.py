"""`publisher`: every command, and how they end: 0 done, 1 incomplete, 2 bad input or settings."""

import typer

from publisher import __version__
from workers.commands import (
    articles,
    demo,
    examining,
    expunging,
    feeds,
    keys,
    operators,
    pausing,
    processes,
    pruning,
    replaying,
    secrets,
    up,
)
from workers.commands.ending import run_and_exit

cli = typer.Typer(
    name="publisher",
    help="Articles in; RSS, Atom and JSON feeds and signed webhooks out; nothing lost on the way.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command in (
    *(up.up, demo.demo),
    *processes.PROCESSES,
    *(articles.ingest, articles.retract, expunging.expunge),
    *(operators.status, operators.stuck, replaying.replay, operators.trace),
    *(pausing.pause, pausing.resume, pruning.prune, examining.doctor),
):
    cli.command()(command)
cli.add_typer(keys.key)
cli.add_typer(feeds.feed)
cli.add_typer(secrets.secret)


@cli.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


def main() -> None:
    """Run a command; what went wrong on purpose is one line on standard error."""
    run_and_exit(cli)
