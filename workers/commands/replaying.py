"""`replay`: send again what is stuck, or what an endpoint has missed."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from publisher.database import Sessions
from publisher.errors import InvalidInput
from publisher.field_problems import problems_of
from publisher.notify.replaying.past import Past, Replayable
from publisher.notify.replaying.replay import replay as replay_past
from publisher.notify.replaying.replay_in import ReplayIn
from publisher.outbox.watch import SLICE, count_stuck
from publisher.outbox.watch import replay as replay_stuck
from workers.commands.database import id_of, opened
from workers.commands.options import AsJson, Data
from workers.commands.output import complain, print_json, print_line
from workers.commands.progress import progress
from workers.commands.starting import settings_of

_ONE_OF = "expected either ids of events, --all, or --endpoint with --since"
Endpoint = Annotated[str, typer.Option(metavar="ID", help="What this endpoint has missed, once each.")]
Since = Annotated[str, typer.Option(metavar="INSTANT", help="From then: 2026-05-04T08:00:00+07:00.")]
Until = Annotated[str, typer.Option(metavar="INSTANT", help="Before then.", show_default="now")]
State = Annotated[
    list[str] | None,
    typer.Option(metavar="STATE", help=f"Of {', '.join(Replayable)}; repeat it.", show_default="all"),
]


def replay(
    event_ids: Annotated[
        list[str] | None, typer.Argument(metavar="EVENT_ID…", help="As `stuck` shows them.")
    ] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="All that is stuck.")] = False,
    endpoint: Endpoint = "",
    since: Since = "",
    until: Until = "",
    state: State = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Send again what is stuck, or what an endpoint has missed."""
    narrowed = {"since": since, "until": until, "states": state}
    given = {name: value for name, value in narrowed.items() if value}
    chosen = [bool(event_ids), everything, bool(endpoint)].count(True)
    if chosen != 1 or (endpoint and not since) or (given and not endpoint):
        raise typer.BadParameter(_ONE_OF)
    with opened(settings_of(data)) as sessions:
        if endpoint:
            with sessions.begin() as session:
                _print(replay_past(session, id_of(endpoint, "endpoint"), _past(given)), as_json=as_json)
        elif everything:
            _print(_replay_all(sessions), as_json=as_json)
        else:
            _replay_some(sessions, event_ids or [], as_json=as_json)


def _past(given: Mapping[str, Any]) -> Past:
    try:
        return ReplayIn.model_validate(given).past
    except ValidationError as error:
        raise InvalidInput(problems_of(error.errors(include_url=False, include_input=False))) from None


def _replay_some(sessions: Sessions, event_ids: list[str], *, as_json: bool) -> None:
    wanted = [id_of(one, "EVENT_ID") for one in event_ids]
    with sessions.begin() as session:
        found = {one: replay_stuck(session, [one]) for one in wanted}
    _print(sum(found.values()), as_json=as_json)
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


def _print(replayed: int, *, as_json: bool) -> None:
    if as_json:
        print_json({"replayed": replayed})
    else:
        print_line(f"replayed {replayed}")
