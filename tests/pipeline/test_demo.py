"""`publisher demo` and `publisher up` as a new user meets them: real processes, on servers of their own."""

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from tests.waiting import eventually

COMMAND = (sys.executable, "-m", "workers")
PAGE = """Trường làng mở lại thư viện

Ngày đăng: 14/03/2022   07:05
Sáng 13/3, thư viện của trường làng mở cửa lại sau hai năm, với một nghìn cuốn sách do phụ huynh góp.

Mỗi buổi chiều, học sinh lớp lớn thay nhau trực, ghi sách mượn và đọc cho các em nhỏ nghe.

Nguồn: baolang.example
"""
STARTS_WITHIN_S = 90


@pytest.fixture
def environment() -> dict[str, str]:
    """The environment without any setting of ours."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PUBLISHER_")}
    return {**kept, "PYTHONPATH": str(Path(__file__).parents[2])}


def run(folder: Path, environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )


@contextmanager
def started(
    folder: Path, environment: dict[str, str], *arguments: str, until: str
) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """Start a command that stays up; yield it with what it printed until a line began so."""
    process = subprocess.Popen(
        [*COMMAND, *arguments], cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    lines: list[str] = []
    overdue = threading.Timer(2 * STARTS_WITHIN_S, process.kill)
    overdue.start()
    try:
        for line in process.stdout:
            lines.append(line.rstrip("\n"))
            if line.startswith(until):
                break
        yield process, lines
    finally:
        overdue.cancel()
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_demo_is_complete_in_a_folder_of_any_name(tmp_path: Path, environment: dict[str, str]) -> None:
    data = tmp_path / "dữ liệu của tôi"

    ended = run(tmp_path, environment, "demo", "--once", "--json", "--data", str(data))

    told = json.loads(ended.stdout)
    assert (ended.returncode, told["missing"]) == (0, []), ended.stderr
    assert told["articles"] == told["webhooks"] == told["verified"] >= 5
    assert told["feeds"] >= 6
    assert told["feeds"] % 3 == 0
    assert list(data.iterdir()) == []


def test_a_demo_of_ones_own_files_tells_every_stage_in_plain_lines(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    (tmp_path / "trang.txt").write_text(PAGE)

    first = run(tmp_path, environment, "demo", "--once", "--keep", "trang.txt")
    second = run(tmp_path, environment, "demo", "--once", "--keep", "--json", "trang.txt")

    assert first.returncode == 0, first.stdout + first.stderr
    told = [line.split()[0] for line in first.stdout.splitlines() if "Trường làng" in line][:5]
    assert sorted(told) == ["delivered", "enriched", "in", "published", "received"]
    assert not any(ord(letter) < 32 and letter != "\n" for letter in first.stdout)
    assert max(map(len, first.stdout.splitlines())) <= 80
    assert second.returncode == 0
    assert json.loads(second.stdout) == {
        "articles": 1,
        "feeds": 3,
        "webhooks": 0,
        "verified": 0,
        "missing": [],
    }


def test_the_line_that_a_demo_prints_sends_in_one_more_article(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    (tmp_path / "trang.txt").write_text(PAGE)
    with started(tmp_path, environment, "demo", "trang.txt", until="Ctrl-C") as (process, lines):
        line = next(line for line in lines if line.startswith("curl "))
        pasted = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True)
        key = next(line.split()[-1] for line in lines if "API key" in line)
        url = next(line.split()[-1] for line in lines if "index" in line)
        status = run(tmp_path, environment, "status", "--json")
        assert process.stdout is not None
        told = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        ended = process.wait(timeout=30)

    assert json.loads(pasted.stdout)["outcome"] == "created"
    assert key in shlex.split(line)[4]
    assert url.startswith("http://127.0.0.1:")
    assert set(json.loads(status.stdout)["stages"]) >= {"enrich", "publish", "feeds", "fan_out", "deliver"}
    assert told.startswith("webhook article.published, verified: ")
    assert ended == 0
    assert time.monotonic() - began < 30


def test_nothing_runs_on_when_it_is_killed_and_the_next_one_starts(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    (tmp_path / "trang.txt").write_text(PAGE)
    with (
        socket.create_server(("127.0.0.1", 0)) as hanging,
        started(tmp_path, environment, "demo", "trang.txt", until="Ctrl-C") as (process, lines),
    ):
        # A webhook is on its way, and its receiver does not answer: nobody ends gladly.
        line = next(line for line in lines if line.startswith("curl "))
        endpoint = json.dumps({"url": f"http://127.0.0.1:{hanging.getsockname()[1]}/"})
        *to_articles, _, article = shlex.split(line)
        to_endpoints = [one.replace("/v1/articles", "/v1/endpoints") for one in to_articles]
        for command in ([*to_endpoints, "-d", endpoint], [*to_articles, "-d", article]):
            subprocess.run(command, check=True, capture_output=True)
        hanging.settimeout(STARTS_WITHIN_S)
        connection, _ = hanging.accept()
        descendants = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGKILL)
        alive = psutil.wait_procs(descendants, timeout=5)[1]
        connection.close()

    with started(tmp_path, environment, "up", until="ready: ") as (again, lines):
        again.send_signal(signal.SIGTERM)
        ended = again.wait(timeout=30)

    assert len(descendants) > 6
    assert alive == []
    assert lines[-1].startswith("ready: http://127.0.0.1:")
    assert ended == 0


def test_up_has_its_folder_and_port_for_itself_and_starts_again_what_ends(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    with started(tmp_path, environment, "up", until="ready: ") as (process, lines):
        url = lines[-1].removeprefix("ready: ")
        port = url.rpartition(":")[2]
        same_folder = run(tmp_path, environment, "up")
        same_port = run(tmp_path, environment, "up", "--data", "anderswo", "--port", port)

        for child in psutil.Process(process.pid).children():
            child.kill()
        (tmp_path / "trang.txt").write_text(PAGE)
        eventually(lambda: answers(url), within_s=STARTS_WITHIN_S)
        sent = run(tmp_path, environment, "ingest", "trang.txt", "--json")
        identifier = json.loads(sent.stdout)["id"]
        eventually(lambda: identifier in feed_of(url), within_s=STARTS_WITHIN_S)

    assert (same_folder.returncode, same_folder.stdout) == (2, "")
    assert same_folder.stderr.startswith("publisher: already running: process ")
    assert (same_port.returncode, same_port.stdout) == (2, "")
    assert same_port.stderr == f"publisher: --port: {port} is taken, expected a free port\n"


@pytest.mark.parametrize(
    ("arguments", "settings", "told"),
    [
        (["demo", "không có.txt"], {}, "không có.txt: input: cannot be read (No such file or directory)"),
        (["demo", "trống.json"], {}, "trống.json: "),
        (["up", "--port", "70000"], {}, "'--port'"),
        (["up"], {"PUBLISHER_LANGUAGE": "Tiếng Việt"}, "PUBLISHER_LANGUAGE: "),
        (["up"], {"PUBLISHER_DATABASE_URL": "mysql://x"}, "PUBLISHER_DATABASE_URL: expected postgresql://"),
        (
            ["up"],
            {"PUBLISHER_DATABASE_URL": "postgresql://x@127.0.0.1:1/x"},
            "PUBLISHER_DATABASE_URL: cannot be",
        ),
        (["up", "--data", "trống.json"], {}, "PUBLISHER_DATA: "),
    ],
)
def test_what_cannot_be_is_told_in_one_line(
    tmp_path: Path, environment: dict[str, str], arguments: list[str], settings: dict[str, str], told: str
) -> None:
    (tmp_path / "trống.json").write_text("")

    ended = run(tmp_path, {**environment, **settings}, *arguments)

    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert told in ended.stderr
    assert ended.stdout == ""


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def feed_of(url: str) -> str:
    return httpx.get(f"{url}/feeds/all.json", trust_env=False).text
