"""`python -m benchmarks [--only NAME…] [--minutes N]`: measure, print the table, and write latest.json."""

import argparse
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from types import FrameType

from rich.console import Console

from benchmarks import (
    accepts,
    articles,
    bloat,
    costs,
    deliveries,
    fan_out,
    feeds,
    growth,
    hanging,
    latency,
    senders,
    slow_disk,
    spread,
    tls,
    waiting,
)
from benchmarks.figure import Figure
from benchmarks.report import LATEST, table_of, write_latest
from benchmarks.stand import CannotMeasure, Stand
from publisher.errors import PublisherError

Measurement = Callable[[Stand], list[Figure]]
_MINUTES = 1.0


def measurements(minutes: float) -> Mapping[str, Measurement]:
    """Return every measurement; so long is the one that asks what time does to the tables."""
    return {
        "articles": articles.measure,
        "accepts": accepts.measure,
        "latency": latency.measure,
        "deliveries": deliveries.measure,
        "senders": senders.measure,
        "spread": spread.measure,
        "fan-out": fan_out.measure,
        "tls": tls.measure,
        "hanging": hanging.measure,
        "waiting": waiting.measure,
        "feeds": feeds.measure,
        "costs": costs.measure,
        "slow-disk": slow_disk.measure,
        "growth": growth.measure,
        "bloat": partial(bloat.measure, minutes=minutes),
    }


def main(arguments: Sequence[str]) -> int:
    """Return 0 when everything could be measured, 1 when not; missed goals are no failure."""
    wanted = measurements(_MINUTES)
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure the system.")
    parser.add_argument("--only", nargs="+", choices=wanted, default=list(wanted), help="measure these alone")
    parser.add_argument(
        "--minutes", type=_minutes, default=_MINUTES, help="how long `bloat` takes (default: %(default)g)"
    )
    options = parser.parse_args(arguments)
    wanted = {name: one for name, one in measurements(options.minutes).items() if name in options.only}
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
    told = Console(stderr=True)
    try:
        figures, complete = measured(wanted, told)
    except PublisherError as error:
        told.print(f"benchmarks: {error}", style="red", markup=False)
        return 2
    except KeyboardInterrupt:
        return 130
    if figures:
        Console().print(table_of(figures))
        write_latest(figures)
        told.print(f"wrote {LATEST}", markup=False)
    return 0 if complete else 1


def measured(wanted: Mapping[str, Measurement], told: Console) -> tuple[list[Figure], bool]:
    """Return the figures of these measurements, and whether none of them failed."""
    figures: list[Figure] = []
    complete = True
    with Stand() as stand:
        for name, measure in wanted.items():
            told.print(f"{datetime.now(UTC):%H:%M:%S} measuring {name} …")
            try:
                figures += measure(stand)
            except CannotMeasure as error:
                complete = False
                told.print(f"{name}: {error}", style="red", markup=False)
    return figures, complete


def _minutes(told: str) -> float:
    try:
        minutes = float(told)
    except ValueError:
        minutes = 0
    if not 0.5 <= minutes <= 60:
        raise argparse.ArgumentTypeError("expected a number from 0.5 to 60")
    return minutes


def _end(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
