"""`prune`: let go what is older than it has to be kept."""

import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any

import typer
from sqlalchemy import func, select

from publisher.database import Sessions
from publisher.kept_days import kept_days
from publisher.notify.fan_out.message import instant
from publisher.prune.forecast import forecast
from publisher.prune.parts import START, parts_from
from publisher.prune.retention import Old, Retention
from publisher.prune.rows import pages_of
from publisher.prune.slices import prune_all
from workers.commands.database import opened
from workers.commands.options import AsJson, Data
from workers.commands.output import complain, print_json, print_line, print_table
from workers.commands.progress import progress
from workers.commands.starting import settings_of

_PAUSE_S = 0.3
# The walk through it is shown page by page.
_LONGEST_PART = "delivery"


@dataclass(kw_only=True)
class _Gone:
    """What went, or would.

    Attributes:
        days: partitions, whole.
        rows: by the table or partition that they were in.
        left: why something was left for the next time, by partition.
    """

    days: list[str] = field(default_factory=list)
    rows: Counter[str] = field(default_factory=Counter)
    left: dict[str, str] = field(default_factory=dict)


def _checked(days: int | None) -> int | None:
    try:
        return None if days is None else kept_days(days)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def prune(
    *,
    keep: Annotated[
        int | None,
        typer.Option(callback=_checked, metavar="DAYS", help="Instead of PUBLISHER_KEEP_DAYS."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would go, change nothing.")] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Let go what is older than it has to be kept; nobody who works meanwhile waits for it."""
    settings = settings_of(data)
    days = settings.keep_days if keep is None else keep
    retention = Retention.days(days, settings.keep_deliveries_days)
    with opened(settings) as sessions:
        with sessions() as session:
            at = session.execute(select(func.now())).scalar_one()
        old = retention.old(at=at)
        gone = _would_go(sessions, old) if dry_run else _let_go(sessions, old)
    if as_json:
        print_json(_as_json(old, gone))
    else:
        _show(old, gone, verb="would go" if dry_run else "gone")
    for why in gone.left.values():
        complain(f"left for the next time: {why}")
    if gone.left:
        raise typer.Exit(1)


def _would_go(sessions: Sessions, old: Old) -> _Gone:
    with sessions() as session:
        coming = forecast(session.connection(), old)
    return _Gone(days=list(coming.days), rows=Counter(coming.rows))


def _let_go(sessions: Sessions, old: Old) -> _Gone:
    gone = _Gone()
    with sessions() as session:
        parts = parts_from(session.connection(), old, START)
        pages = pages_of(session.connection(), _LONGEST_PART)
    page = 0
    with progress("pruning", 2 * len(parts) + pages) as advance:
        for done in prune_all(sessions, old, wait=_wait):
            if done.hindered:
                gone.left[done.what] = done.hindered
            elif done.rows is None:
                gone.days.append(done.what)
            else:
                gone.rows[done.what] += done.rows
            if done.what == _LONGEST_PART:
                before, page = page, pages if done.place is None else done.place.page
                advance(page - before)
            else:
                advance(1)
    # Each was taken out first, and then dropped.
    gone.days = list(dict.fromkeys(gone.days))
    return gone


def _wait() -> None:
    time.sleep(random.uniform(_PAUSE_S / 2, _PAUSE_S))


def _as_json(old: Old, gone: _Gone) -> Mapping[str, Any]:
    return {
        "before": {
            "records": _instant(old.records),
            "deliveries": _instant(old.deliveries),
            "tombstones": _instant(old.tombstones),
        },
        "dropped": gone.days,
        "deleted": {part: count for part, count in sorted(gone.rows.items()) if count},
        "left": gone.left,
    }


def _instant(at: datetime | None) -> str | None:
    return None if at is None else instant(at)


def _show(old: Old, gone: _Gone, *, verb: str) -> None:
    if old.records is None:
        print_line("0 days are for ever: everything is kept")
        return
    rows = [
        *_days_of(gone.days),
        *([part, f"{count} rows"] for part, count in sorted(gone.rows.items()) if count),
    ]
    print_line(f"from before {instant(old.records)} {verb}" + ("" if rows else ": nothing"))
    if rows:
        print_table(["of", "what"], rows)


def _days_of(names: Sequence[str]) -> list[list[str]]:
    by_table: dict[str, list[str]] = {}
    for name in names:
        table, _, day = name.rpartition("_")
        by_table.setdefault(table, []).append(day)
    return [
        [table, f"{len(days)} days, {min(days)} to {max(days)}" if len(days) > 1 else f"1 day, {days[0]}"]
        for table, days in sorted(by_table.items())
    ]
