"""A figure: what was measured, what it is compared with, and what was hoped for."""

from dataclasses import dataclass
from enum import StrEnum


class Of(StrEnum):
    """What a goal is about: the value itself, its ratio to the baseline, or how alike the two are.

    `LIKENESS` is the smaller of the two as a part of the larger one.
    """

    VALUE = "value"
    RATIO = "ratio"
    LIKENESS = "likeness"


@dataclass(frozen=True, kw_only=True)
class Goal:
    """A bound: at least, or at most, so much."""

    bound: float
    of: Of = Of.VALUE
    at_most: bool = False

    def __str__(self) -> str:
        """Return it as people write it: `≥ 150`, `ratio ≥ 0.5`, `ratio 0.8-1.25`."""
        if self.of is Of.LIKENESS:
            return f"ratio {self.bound:g}-{1 / self.bound:g}"
        subject = "ratio " if self.of is Of.RATIO else ""
        return f"{subject}{'≤' if self.at_most else '≥'} {self.bound:g}"

    def met_by(self, value: float, ratio: float | None) -> bool:
        """Return whether a figure keeps to it."""
        found = value if self.of is Of.VALUE else ratio
        if found is None:
            return False
        if self.of is Of.LIKENESS:
            return bool(found) and min(found, 1 / found) >= self.bound
        return found <= self.bound if self.at_most else found >= self.bound


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One row of the table.

    Attributes:
        baseline: measured in the same run, in the same unit; None: there is nothing to compare it with.
        beside: what the baseline is.
    """

    name: str
    value: float
    unit: str
    baseline: float | None
    beside: str
    goal: Goal | None = None

    @property
    def ratio(self) -> float | None:
        """The value as a multiple of the baseline."""
        return self.value / self.baseline if self.baseline else None

    @property
    def met(self) -> bool | None:
        """Whether the goal was reached; None without a goal."""
        return None if self.goal is None else self.goal.met_by(self.value, self.ratio)

    def row(self) -> dict[str, str | float | bool | None]:
        """Return the row as JSON has it."""
        return {
            "name": self.name,
            "value": _rounded(self.value),
            "unit": self.unit,
            "baseline": None if self.baseline is None else _rounded(self.baseline),
            "ratio": None if self.ratio is None else _rounded(self.ratio),
            "goal": str(self.goal) if self.goal else None,
            "met": self.met,
            "beside": self.beside,
        }


def _rounded(number: float) -> float:
    """Return three figures that count, and no less than whole ones."""
    return round(number, 1) if abs(number) >= 100 else float(f"{number:.3g}")
