"""The servers of the tests themselves: each test process has its own, and nothing is left behind."""

import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
import redis
from sqlalchemy import create_engine, make_url, text

from publisher.migrations import newest_revision, revision_of
from tests.servers import DATABASE_SETTING, REDIS_SETTING, Keeper, ask_keeper

STARTS_SERVERS = """
import time
from tests.servers import Keeper, ask_keeper

keeper = Keeper()
ask_keeper(keeper.folder, "main")
print(keeper.folder, flush=True)
time.sleep(600)
"""


@pytest.fixture
def nothing_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """No server is named in the environment."""
    monkeypatch.delenv(DATABASE_SETTING, raising=False)
    monkeypatch.delenv(REDIS_SETTING, raising=False)


def test_a_database_has_its_tables_and_no_rows() -> None:
    with ExitStack() as ending:
        keeper = Keeper()
        ending.callback(keeper.stop)

        engine = create_engine(ask_keeper(keeper.folder, "gw0").postgres_url)
        ending.callback(engine.dispose)

        with engine.connect() as connection:
            assert revision_of(connection) == newest_revision()
            assert connection.execute(text("SELECT count(*) FROM article")).scalar_one() == 0


@pytest.mark.usefixtures("nothing_given")
def test_every_test_process_has_a_database_and_a_redis_of_its_own() -> None:
    with ExitStack() as ending:
        keeper = Keeper()
        ending.callback(keeper.stop)

        one, other = ask_keeper(keeper.folder, "gw0"), ask_keeper(keeper.folder, "gw1")

        assert one.postgres_url != other.postgres_url
        assert one.redis_url != other.redis_url
        assert make_url(one.postgres_url).port != 5432
        assert 6379 not in (urlsplit(one.redis_url).port, urlsplit(other.redis_url).port)
        with redis.Redis.from_url(one.redis_url) as client:
            assert client.ping()
    assert not keeper.folder.exists()


def test_servers_that_are_given_are_used_and_left_as_they_were(
    postgres_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DATABASE_SETTING, postgres_url)
    monkeypatch.setenv(REDIS_SETTING, redis_url)
    engine = create_engine(postgres_url)
    databases = text("SELECT count(*) FROM pg_database WHERE datname LIKE :pattern")

    keeper = Keeper()
    given = ask_keeper(keeper.folder, "gw0")
    pattern = {"pattern": make_url(given.postgres_url).database.replace("gw0", "%")}  # type: ignore[union-attr]
    with engine.connect() as connection:
        during = connection.execute(databases, pattern).scalar_one()
    keeper.stop()

    assert make_url(given.postgres_url).port == make_url(postgres_url).port
    assert urlsplit(given.redis_url).port == urlsplit(redis_url).port
    with engine.connect() as connection:
        assert (during, connection.execute(databases, pattern).scalar_one()) == (2, 0)
    engine.dispose()


@pytest.mark.usefixtures("nothing_given")
def test_nothing_runs_on_when_the_run_is_killed() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STARTS_SERVERS],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as run:
        assert run.stdout is not None
        folder = Path(run.stdout.readline().strip())
        started = psutil.Process(run.pid).children(recursive=True)

        os.kill(run.pid, signal.SIGKILL)

    assert len(started) >= 3
    assert psutil.wait_procs(started, timeout=5)[1] == []
    deadline = time.monotonic() + 5
    while folder.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
