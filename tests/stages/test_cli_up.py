"""What `up` and `demo` are made of: the supervisor, the choice of a port, the articles of a demo."""

import socket
import sys
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from publisher.errors import InvalidInput, SettingsError
from publisher.settings import load_settings
from tests.waiting import eventually
from workers.commands.starting import settings_of
from workers.demo.samples import EXAMPLES, read_samples
from workers.documents import Reading
from workers.embedded import Program
from workers.machine import derived_settings
from workers.ports import HOST, choose_port
from workers.running import write_running
from workers.supervisor import LARGEST_LOG_BYTES, Supervisor, keep_short

READING = Reading(zone=ZoneInfo("Asia/Ho_Chi_Minh"), limit=2_000_000)
COUNTS = "import sys, time; print('here', flush=True); time.sleep(float(sys.argv[1]))"


def counting(log: Path, seconds: float) -> Program:
    """A program that adds a line to its log each time that it is started."""
    return Program(argv=(sys.executable, "-c", COUNTS, str(seconds)), log=log)


def starts(log: Path) -> int:
    return log.read_text().count("here") if log.exists() else 0


class Server:
    """A server that can be made to end."""

    def __init__(self) -> None:
        self.running = True
        self.starts = 0

    def start(self) -> str:
        self.running = True
        self.starts += 1
        return "somewhere"

    def stop(self) -> None:
        self.running = False


def test_what_ends_is_started_again_after_longer_and_longer_pauses(tmp_path: Path) -> None:
    log = tmp_path / "short.log"
    supervisor = Supervisor({}, [{"short": counting(log, 0)}])

    def three_starts() -> bool:
        supervisor.tend()
        return starts(log) >= 3

    eventually(three_starts, within_s=20)

    reason = supervisor.failing(endings=2)
    assert reason is not None
    assert reason.startswith("`publisher short` does not start")
    supervisor.stop(within=timedelta(seconds=1))


def test_what_runs_is_left_alone_until_it_is_stopped(tmp_path: Path) -> None:
    log = tmp_path / "long.log"
    supervisor = Supervisor({}, [{"long": counting(log, 60)}])

    supervisor.tend()
    pid = supervisor.pid_of("long")
    eventually(lambda: starts(log) == 1, within_s=20)
    supervisor.tend()

    assert pid is not None
    assert supervisor.pid_of("long") == pid
    assert supervisor.failing(endings=1) is None
    supervisor.stop(within=timedelta(seconds=5))
    assert supervisor.pid_of("long") is None


def test_a_server_that_died_is_started_again() -> None:
    server = Server()
    supervisor = Supervisor({"PostgreSQL": server}, [])

    supervisor.tend()
    server.stop()
    supervisor.tend()
    supervisor.tend()

    assert (server.running, server.starts) == (True, 1)


def test_a_long_log_is_moved_aside_while_its_writer_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "web.log"
    with path.open("ab") as writer:
        writer.write(b"x" * (LARGEST_LOG_BYTES + 1))
        writer.flush()

        keep_short(path)
        writer.write(b"more")
        writer.flush()
        keep_short(path)

    assert path.read_bytes() == b"more"
    assert (tmp_path / "web.log.1").stat().st_size == LARGEST_LOG_BYTES + 1


def test_a_port_that_was_asked_for_and_is_taken_is_an_error() -> None:
    with ExitStack() as held, socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]

        with pytest.raises(SettingsError, match=f"--port: {port} is taken, expected a free port"):
            choose_port(port, held)


def test_two_that_start_at_the_same_moment_get_two_ports() -> None:
    with ExitStack() as held:
        first = choose_port(None, held)
        second = choose_port(None, held)

    assert first != second


def test_commands_that_find_a_running_system_know_all_of_its_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    old_keys = ("a key, with a comma", "the oldest key of all")
    settings = load_settings(data=tmp_path, old_secret_keys=old_keys)
    derived = derived_settings(settings, f"http://{HOST}:8000")

    write_running(tmp_path, {"database_url": "postgresql://nobody@127.0.0.1:1/none", **derived})

    found = settings_of(tmp_path)
    assert found.old_secret_keys == old_keys
    assert found.secret_key == (tmp_path / "secret.key").read_text().strip()


def test_the_examples_are_articles() -> None:
    samples = read_samples((), READING)

    assert len(samples) >= 5
    assert all(one.title and (one.content_html or one.content_text) for one in samples)
    assert EXAMPLES.name == "examples"


def test_without_examples_files_have_to_be_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="publisher demo FILE"):
        read_samples((), READING, examples=tmp_path)


def test_every_file_that_is_no_article_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{}")
    (tmp_path / "b.html").write_text("<html></html>")

    with pytest.raises(InvalidInput) as raised:
        read_samples([str(tmp_path / "a.json"), str(tmp_path / "b.html")], READING)

    assert "a.json: " in str(raised.value)
    assert "b.html: " in str(raised.value)
