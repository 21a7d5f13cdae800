"""The statements that the system's processes made, by PostgreSQL's own log: every one, by whom, how long."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

LOGGED = {"log_min_duration_statement": "0", "log_parameter_max_length": "0"}
"""Settings under which PostgreSQL logs every statement and how long it took, without its parameters."""

_PROCESSES = ("web", "relay", "worker", "sender")
_LINE = re.compile(
    r"(?P<database>[^|]*)\|publisher (?P<process>\w+)[^|]*\|LOG:  duration: (?P<ms>[\d.]+) ms"
    r"  (?P<step>statement|parse|bind|execute)[^:]*: (?P<text>.*)",
    re.DOTALL,
)
_NEXT = re.compile(r"\n(?!\t)")  # the further lines of a statement are indented
_SPACE = re.compile(r"\s+")
_PARAMETER = re.compile(r"\$\d+(?:::(?:TIMESTAMP WITH TIME ZONE|[A-Z]+)(?:\(\d+\))?(?:\[\])?)?")
_LIST = re.compile(r"\(\$(?:, \$)*\)(?:, \(\$(?:, \$)*\))*")


@dataclass(frozen=True, kw_only=True)
class Statement:
    """What one line of the log tells.

    Attributes:
        text: without parameters, lists without their lengths.
        executed: 0 when it was only parsed, or bound to its parameters, which are lines of their own.
        ms: that PostgreSQL took.
    """

    process: str
    text: str
    executed: int
    ms: float


def statements_within(log: Path, part: slice, *, database: str) -> Iterator[Statement]:
    """Yield the statements of the system's processes in one database, from a part of the log."""
    with log.open("rb") as file:
        file.seek(part.start)
        told = file.read(part.stop - part.start).decode(errors="replace")
    for line in _NEXT.split(told):
        found = _LINE.match(line)
        if found and found["database"] == database and found["process"] in _PROCESSES:
            yield Statement(
                process=found["process"],
                text=abridged(found["text"]),
                executed=int(found["step"] in ("statement", "execute")),
                ms=float(found["ms"]),
            )


def abridged(sql: str) -> str:
    """Return a statement in one line, in which parameters are `$` and lists of them `(…)`."""
    return _LIST.sub("(…)", _PARAMETER.sub("$", _SPACE.sub(" ", sql).strip()))
