"""What a check has found."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from workers.surroundings.concern import Concern


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"  # it works, but not as it should, or not for long
    PROBLEM = "problem"  # something does not work


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of the report.

    Attributes:
        name: of the check, the same every time.
        found: a clause, with the numbers.
        action: a clause in the imperative; empty when there is nothing to do.
    """

    level: Level
    name: str
    found: str
    action: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return it as raw JSON."""
        return {**asdict(self), "level": self.level.value}


def ok(name: str, found: str) -> Finding:
    """Return that something is as it should be."""
    return Finding(level=Level.OK, name=name, found=found)


def warning(name: str, found: str, action: str) -> Finding:
    """Return that something works, but not as it should, or not for long."""
    return Finding(level=Level.WARNING, name=name, found=found, action=action)


def problem(name: str, found: str, action: str) -> Finding:
    """Return that something does not work."""
    return Finding(level=Level.PROBLEM, name=name, found=found, action=action)


def judged(name: str, concerns: Iterable[Concern | None], otherwise: str) -> Iterator[Finding]:
    """Yield a warning for each concern; without any, that all is well."""
    some = [one for one in concerns if one is not None]
    for one in some:
        yield warning(name, one.found, one.advice)
    if not some:
        yield ok(name, otherwise)
