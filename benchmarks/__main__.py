"""`python -m benchmarks [--only NAME…]`: measure, print the table, and write latest.json."""

import argparse
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from types import FrameType

from rich.console import Console

from benchmarks import accepts, articles, deliveries, latency
from benchmarks.figure import Figure
from benchmarks.report import LATEST, table_of, write_latest
from benchmarks.stand import CannotMeasure, Stand
from publisher.errors import PublisherError

MEASUREMENTS: Mapping[str, Callable[[Stand], list[Figure]]] = {
    "articles": articles.measure,
    "accepts": accepts.measure,
    "latency": latency.measure,
    "deliveries": deliveries.measure,
}


def main(arguments: Sequence[str]) -> int:
    """Return 0 when everything could be measured, 1 when not; missed goals are no failure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure the system.")
    parser.add_argument(
        "--only", nargs="+", choices=MEASUREMENTS, default=list(MEASUREMENTS), help="measure these alone"
    )
    names = list(dict.fromkeys(parser.parse_args(arguments).only))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
    told = Console(stderr=True)
    try:
        figures, complete = measured(names, told)
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


def measured(names: Sequence[str], told: Console) -> tuple[list[Figure], bool]:
    """Return the figures of these measurements, and whether none of them failed."""
    figures: list[Figure] = []
    complete = True
    with Stand() as stand:
        for name in names:
            told.print(f"{datetime.now(UTC):%H:%M:%S} measuring {name} …")
            try:
                figures += MEASUREMENTS[name](stand)
            except CannotMeasure as error:
                complete = False
                told.print(f"{name}: {error}", style="red", markup=False)
    return figures, complete


def _end(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
