"""Runs `publisher …` in this process, on the test's database, and keeps what it prints."""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from workers.cli import cli
from workers.commands.ending import run


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The only line of its output, parsed."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """Every line of its output, parsed."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def complaint(self) -> str:
        """The only line that it wrote on standard error."""
        (line,) = self.err.splitlines()
        assert line.startswith("publisher: ")
        return line.removeprefix("publisher: ")


Publisher = Callable[..., Ended]


def publisher_on(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Publisher:
    """Return a function that runs a command; `stdin` is what it reads."""

    def publisher(*arguments: str, stdin: bytes = b"") -> Ended:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        status = run(cli, arguments)
        out, err = capsys.readouterr()
        return Ended(status=status, out=out, err=err)

    return publisher
