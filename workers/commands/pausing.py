"""`pause` and `resume`: hold back a stage, all deliveries or a single endpoint, and let it go on."""

import time
from typing import Annotated
from uuid import UUID

import typer

from publisher.database import Sessions
from publisher.errors import InvalidInput
from publisher.notify.endpoints.pausing import pause_endpoint, resume_endpoint
from publisher.notify.endpoints.store import shard_of
from publisher.notify.fan_out.message import instant
from publisher.notify.shards.last_look import PAUSE_S, LastLook
from publisher.outbox.parking import SLICE, bring_back
from publisher.pauses import Pause, Stage
from publisher.pauses import pause as pause_stage
from publisher.pauses import resume as resume_stage
from publisher.text import clean_line
from workers.commands.database import opened
from workers.commands.options import AsJson, Data
from workers.commands.output import print_json, print_line
from workers.commands.progress import progress
from workers.commands.starting import settings_of

_LONGEST_REASON = 500
What = Annotated[
    str, typer.Argument(metavar="WHAT", help=f"{', '.join(Stage)} (deliveries), or the id of an endpoint.")
]


def pause(
    what: What,
    *,
    reason: Annotated[str, typer.Option(help="For whoever looks at `publisher status`.")] = "",
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Hold back a stage, all deliveries (deliver) or an endpoint; what has begun goes on to its end."""
    paused = _parsed(what)
    reason = clean_line(reason)
    if len(reason) > _LONGEST_REASON:
        raise InvalidInput.of("/reason", f"expected at most {_LONGEST_REASON} characters")
    with opened(settings_of(data)) as sessions:
        found, is_new = _paused(sessions, paused, reason=reason or None)
    since = instant(found.since)
    if as_json:
        print_json({"what": found.what, "since": since, "reason": found.reason, "changed": is_new})
    elif is_new:
        print_line(f"paused {found.what}")
    else:
        print_line(f"{found.what} is paused since {since}" + (f": {found.reason}" if found.reason else ""))


def resume(what: What, *, data: Data = None, as_json: AsJson = False) -> None:
    """Let what was paused go on, at once."""
    paused = _parsed(what)
    with opened(settings_of(data)) as sessions:
        with sessions.begin() as session:
            if isinstance(paused, Stage):
                ended = resume_stage(session, paused)
            else:
                ended = resume_endpoint(session, paused)
        moved = SLICE
        with progress("bringing back", None) as advance:
            while moved == SLICE:
                with sessions.begin() as session:
                    moved = bring_back(session)
                advance(moved)
    if as_json:
        since = instant(ended.since) if ended else None
        print_json({"what": str(paused), "paused_since": since, "changed": ended is not None})
    else:
        print_line(f"resumed {paused}" if ended else f"{paused} was not paused")


def _paused(sessions: Sessions, what: Stage | UUID, *, reason: str | None) -> tuple[Pause, bool]:
    if isinstance(what, Stage):
        with sessions.begin() as session:
            return pause_stage(session, what, reason=reason)
    with sessions.begin() as session:
        found = pause_endpoint(session, what, reason=reason)
    look = LastLook(sessions, shard_of(what))
    while not look.is_over():
        time.sleep(PAUSE_S)
    return found


def _parsed(what: str) -> Stage | UUID:
    if what in list(Stage):
        return Stage(what)
    try:
        return UUID(what)
    except ValueError:
        expected = f"expected one of {', '.join(Stage)}, or the id of an endpoint"
        raise InvalidInput.of("/WHAT", f"is {what[:100]!r}, {expected}") from None
