"""How `status` looks to people: a table of the stages, and what stands under it."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from publisher.text import clean_line
from workers.commands.output import print_line, print_table

_LATE_S, _VERY_LATE_S = 10, 60
COLUMNS = ["stage", "waiting", "in flight", "oldest (s)", "stuck"]
# What connects for a moment only, and the ears of relays and senders.
_NOT_SHOWN = ("command", "migrate", "up", "listen")


def status_lines(shown: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield what stands under the table: a name, what is to be said, and how it looks.

    Args:
        shown: what `overview` returns, and perhaps a `pace`.
    """
    deliveries = shown["deliveries"]
    yield "deliveries", ", ".join(f"{n} {state}" for state, n in deliveries.items()), ""
    if pace := shown.get("pace"):
        yield "pace", ", ".join(f"{n:.0f} {what}" for what, n in pace.items()) + " a minute", ""
    yield from _workforce(shown)
    for pause in shown["paused"]:
        why = f": {clean_line(pause['reason'])}" if pause["reason"] else ""
        yield "paused", f"{pause['what']} since {pause['since']}{why}", "yellow"


def print_status(shown: Mapping[str, Any]) -> None:
    """Print it as plain lines."""
    print_table(COLUMNS, ([stage, *found.values()] for stage, found in shown["stages"].items()))
    for name, told, _ in status_lines(shown):
        print_line(f"{name}: {told}")


def status_screen(shown: Mapping[str, Any], *, note: str, is_bad: bool) -> Group:
    """Return the live view.

    Args:
        note: of when that was, or what hinders us.
    """
    paused = {one["what"] for one in shown["paused"]}
    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for column in COLUMNS:
        table.add_column(column, justify="left" if column == "stage" else "right", min_width=10)
    for stage, found in shown["stages"].items():
        named = Text(f"{stage} (paused)", "yellow") if stage in paused else Text(stage)
        table.add_row(named, *_cells(found, paused=stage in paused))
    below = Table.grid(padding=(0, 2))
    below.add_column(style="bold")
    below.add_column(overflow="fold")
    for name, told, style in status_lines(shown):
        below.add_row(name, Text(told, style))
    heading = Text.assemble(("publisher status  ", "bold"), (note, "red" if is_bad else "dim"))
    return Group(heading, table, below)


def _workforce(shown: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    senders = shown["senders"]
    if senders:
        shards = " + ".join(str(one["shards"]) for one in senders)
        yield "senders", f"{len(senders)} alive, with {shards} of 64 shards", ""
    else:
        yield "senders", "none is alive", "red"
    connected = {kind: n for kind, n in shown["processes"].items() if kind not in _NOT_SHOWN}
    counted = ", ".join(f"{n} {kind}" for kind, n in connected.items())
    yield "connected", counted or "nobody", "" if connected else "red"


def _cells(found: Mapping[str, Any], *, paused: bool) -> Iterator[Text]:
    yield Text(f"{found['waiting']:,}")
    yield Text(f"{found['in_flight']:,}")
    age_s = found["oldest_age_s"]
    late = "red" if age_s >= _VERY_LATE_S else "yellow" if age_s >= _LATE_S else ""
    yield Text(f"{age_s:,.1f}" if age_s else "–", "" if paused else late)
    yield Text(f"{found['stuck']:,}", "bold red" if found["stuck"] else "")
