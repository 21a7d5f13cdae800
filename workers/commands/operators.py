"""`status`, `stuck`, `replay` and `trace`: what waits, what does not get on, what happened."""

from typing import Annotated

import typer

from publisher.outbox.watch import replay as replay_stuck
from workers.commands.database import id_of, opened
from workers.commands.options import AsJson, Data
from workers.commands.output import complain, print_json, print_line, print_table
from workers.commands.overview import history, overview, stuck_work
from workers.commands.starting import settings_of


def status(*, data: Data = None, as_json: AsJson = False) -> None:
    """Show how much waits at each stage."""
    with opened(settings_of(data)) as sessions, sessions() as session:
        shown = overview(session)
    if as_json:
        print_json(shown)
        return
    columns = ["stage", "waiting", "in flight", "oldest (s)", "stuck"]
    print_table(columns, ([stage, *found.values()] for stage, found in shown["stages"].items()))
    print_line("deliveries: " + ", ".join(f"{n} {state}" for state, n in shown["deliveries"].items()))


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


def replay(
    event_ids: Annotated[
        list[str] | None, typer.Argument(metavar="EVENT_ID…", help="As `stuck` shows them.")
    ] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="All that is stuck.")] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Send stuck work again."""
    if everything == bool(event_ids):
        raise typer.BadParameter("expected either ids of events or --all")
    wanted = [id_of(one, "EVENT_ID") for one in event_ids or ()]
    with opened(settings_of(data)) as sessions, sessions.begin() as session:
        found = {one: replay_stuck(session, [one]) for one in wanted}
        replayed = replay_stuck(session, None) if everything else sum(found.values())
    if as_json:
        print_json({"replayed": replayed})
    else:
        print_line(f"replayed {replayed}")
    absent = [str(one) for one, count in found.items() if not count]
    if absent:
        complain(f"nothing of this is stuck: {', '.join(absent)}")
        raise typer.Exit(1)


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
