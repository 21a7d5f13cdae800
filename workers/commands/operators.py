"""`status`, `stuck`, `replay` and `trace`: what waits, what does not get on, what happened."""

from typing import Annotated

import typer

from publisher.database import Sessions
from publisher.outbox.watch import SLICE, count_stuck
from publisher.outbox.watch import replay as replay_stuck
from workers.commands.database import id_of, opened
from workers.commands.history import history, stuck_work
from workers.commands.options import AsJson, Data
from workers.commands.output import complain, print_json, print_line, print_table
from workers.commands.progress import progress
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
    with opened(settings_of(data)) as sessions:
        with sessions.begin() as session:
            found = {one: replay_stuck(session, [one]) for one in wanted}
        replayed = _replay_all(sessions) if everything else sum(found.values())
    if as_json:
        print_json({"replayed": replayed})
    else:
        print_line(f"replayed {replayed}")
    absent = [str(one) for one, count in found.items() if not count]
    if absent:
        complain(f"nothing of this is stuck: {', '.join(absent)}")
        raise typer.Exit(1)


def _replay_all(sessions: Sessions) -> int:
    with sessions() as session:
        total = count_stuck(session)
    replayed, some = 0, SLICE
    with progress("replaying", total) as advance:
        while some == SLICE:
            with sessions.begin() as session:
                some = replay_stuck(session, None)
            replayed += some
            advance(some)
    return replayed


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
