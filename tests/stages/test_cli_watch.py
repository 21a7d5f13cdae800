"""`publisher status --watch`: once a second, until somebody ends it, and also while PostgreSQL is away."""

import io
import json
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from sqlalchemy import Engine, create_engine, text

from publisher.database import Sessions
from publisher.pauses import Stage, pause
from workers.commands.status_view import status_screen
from workers.commands.watching import Sight, pace
from workers.overview import overview

NOT_ALLOWED = 'ALTER DATABASE "{name}" WITH ALLOW_CONNECTIONS {answer}'


@contextmanager
def watching(url: str, folder: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Run the command as people do; it is gone afterwards."""
    with subprocess.Popen(
        [sys.executable, "-m", "workers", "status", "--watch", *options],
        env={**os.environ, "PUBLISHER_DATABASE_URL": url, "PUBLISHER_DATA": str(folder)},
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    ) as running:
        try:
            yield running
        finally:
            running.kill()


def line_of(running: subprocess.Popen[str]) -> str:
    assert running.stdout is not None
    return running.stdout.readline()


def end(running: subprocess.Popen[str], number: signal.Signals) -> int:
    running.send_signal(number)
    return running.wait(timeout=20)


def test_programs_get_a_line_a_second_until_ctrl_c(
    database: Sessions, postgres_url: str, tmp_path: Path
) -> None:
    with watching(postgres_url, tmp_path, "--json") as running:
        first, second = json.loads(line_of(running)), json.loads(line_of(running))
        status = end(running, signal.SIGINT)

    assert status == 0
    assert first["at"] < second["at"]
    assert set(first["stages"]) == {"enrich", "publish", "feeds", "fan_out", "deliver"}
    assert set(second["pace"]) == {"articles", "steps", "attempts"}


def test_a_pipe_gets_plain_blocks(database: Sessions, postgres_url: str, tmp_path: Path) -> None:
    with database.begin() as session:
        pause(session, Stage.ENRICH, reason="new models")
    with watching(postgres_url, tmp_path) as running:
        block = list(iter(lambda: line_of(running).strip(), ""))
        end(running, signal.SIGINT)

    assert block[0].endswith("Z")
    assert block[1].split()[:2] == ["stage", "waiting"]
    assert block[-1].startswith("paused: enrich since ")
    assert "\x1b" not in "".join(block)


def test_it_says_that_postgresql_is_away_and_goes_on_when_it_is_back(
    database: Sessions, engine: Engine, postgres_url: str, tmp_path: Path
) -> None:
    with watching(postgres_url, tmp_path, "--json") as running:
        assert "stages" in line_of(running)
        with away(engine):
            while "error" not in (seen := json.loads(line_of(running))):
                pass
        while "stages" not in json.loads(line_of(running)):
            pass
        status = end(running, signal.SIGTERM)

    assert seen["error"].startswith("PostgreSQL does not answer")
    assert status == 0


@contextmanager
def away(engine: Engine) -> Iterator[None]:
    """Throw the command out of the database, and let nobody in."""
    elsewhere = create_engine(engine.url.set(database="postgres"), isolation_level="AUTOCOMMIT")
    name = engine.url.database
    with elsewhere.connect() as connection:
        connection.execute(text(NOT_ALLOWED.format(name=name, answer="false")))
        try:
            connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = :name AND application_name LIKE 'publisher command%'"
                ),
                {"name": name},
            )
            yield
        finally:
            connection.execute(text(NOT_ALLOWED.format(name=name, answer="true")))
    elsewhere.dispose()


def screen(shown: dict[str, Any], *, width: int) -> list[str]:
    output = io.StringIO()
    console = Console(file=output, width=width, force_terminal=True, color_system=None)
    console.print(status_screen(shown, note="12:00", is_bad=False))
    return output.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 140])
def test_the_live_view_fits_the_screen_and_tells_all(database: Sessions, width: int) -> None:
    with database.begin() as session:
        pause(session, Stage.ENRICH, reason="w" * 300)
    with database() as session:
        shown = overview(session)

    lines = screen(shown, width=width)

    assert max(len(line) for line in lines) <= width
    told = "\n".join(lines)
    for name in ("enrich (paused)", "deliver", "deliveries", "senders", "connected", "w" * 20):
        assert name in told


def test_a_server_that_does_not_even_refuse_is_noticed() -> None:
    seen = Sight(at=100.0, shown={})

    assert seen.trouble(at=101.0) == ""
    assert seen.trouble(at=105.0) == "PostgreSQL does not answer, for 5 s"
    assert "refused" in Sight(at=100.0, hindrance="connection refused").trouble(at=100.5)


def test_the_pace_is_counted_between_the_first_look_and_the_last() -> None:
    looks = deque([(10.0, {"articles": 100.0}), (11.0, {"articles": 105.0}), (40.0, {"articles": 130.0})])

    assert pace(looks) == {"articles": 60.0}
    assert pace(deque([(10.0, {"articles": 100.0})])) == {}
    assert pace(deque([(10.0, {"articles": 100.0}), (20.0, {"articles": 40.0})])) == {"articles": 0.0}
