"""`status`, `stuck` and `trace`: what waits, what does not get on, what happened."""

from typing import Annotated

import typer

from workers.commands.database import id_of, opened
from workers.commands.history import history, stuck_work
from workers.commands.options import AsJson, Data
from workers.commands.output import print_json, print_line, print_table
from workers.commands.starting import settings_of
from workers.commands.status_view import print_status
from workers.commands.watching import watch
from workers.demo.screen import demo_console
from workers.overview import overview


def status(
    *,
    live: Annotated[bool, typer.Option("--watch", help="Go on, once a second, until Ctrl-C.")] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Show how much waits at each stage, what is paused, and who works."""
    with opened(settings_of(data)) as sessions:
        if live:
            watch(sessions, demo_console(quiet=as_json), as_json=as_json)
            return
        with sessions() as session:
            shown = overview(session)
    if as_json:
        print_json(shown)
    else:
        print_status(shown)


def stuck(*, data: Data = None, as_json: AsJson = False) -> None:
    """Show the work that waits for an operator: `publisher replay` sends it again."""
    with opened(settings_of(data)) as sessions, sessions() as session:
        shown = stuck_work(session)
    if as_json:
        print_json(shown)
    elif shown:
        columns = ["event", "task", "article", "failures", "last error"]
        print_table(columns, ([*one.values()] for one in shown))
    else:
        print_line("nothing is stuck")


def trace(
    article: Annotated[str, typer.Argument(metavar="ARTICLE", help="The id or the uri of the article.")],
    *,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Show what happened to an article, step by step."""
    identifier = id_of(article, "ARTICLE")
    with opened(settings_of(data)) as sessions, sessions() as session:
        shown = history(session, identifier)
    if as_json:
        print_json(shown)
        return
    print_line(f"{shown['uri']} · {shown['status']} · sequence {shown['sequence']}")
    print_table(["at", "kind", "name", "ms", "outcome"], ([*one.values()] for one in shown["steps"]))
