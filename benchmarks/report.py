"""Figures as a table in the terminal, and the same as JSON in a file."""

import json
from collections.abc import Sequence
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.table import Table

from benchmarks.figure import Figure

LATEST = Path(__file__).with_name("latest.json")
_MET = {True: "[green]yes", False: "[red]no", None: ""}


def table_of(figures: Sequence[Figure]) -> Table:
    """Return the table, which fits 80 columns."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1), caption="docs/benchmarks.md says what the baselines are")
    for name in ("name", "value", "unit", "baseline", "ratio", "goal", "met"):
        table.add_column(name, justify="right" if name in ("value", "baseline", "ratio") else "left")
    for figure in figures:
        table.add_row(
            figure.name,
            _shown(figure.value),
            figure.unit,
            "" if figure.baseline is None else _shown(figure.baseline),
            "" if figure.ratio is None else f"{figure.ratio:.3g}",
            str(figure.goal or ""),
            _MET[figure.met],
        )
    return table


def write_latest(figures: Sequence[Figure], path: Path = LATEST) -> None:
    """Write a row a figure, whole or not at all."""
    draft = path.with_suffix(".draft")
    rows = [figure.row() for figure in figures]
    draft.write_text(json.dumps(rows, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    draft.replace(path)


def _shown(number: float) -> str:
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3g}"
