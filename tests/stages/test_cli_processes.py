"""How `publisher web` and `publisher sender` end when they cannot work: at once, status 2, one line."""

import os
import socket
import subprocess
import sys
from pathlib import Path

from publisher.database import Sessions
from tests.stages.subscribers import Subscribers

REPOSITORY = Path(__file__).parents[2]


def complaint(postgres_url: str, *arguments: str, cwd: Path) -> str:
    """Run a process that ends by itself, with status 2; return the only line that it wrote."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PUBLISHER_")},
        "PYTHONPATH": str(REPOSITORY),
        "PUBLISHER_DATABASE_URL": postgres_url,
        "PUBLISHER_REDIS_URL": "redis://127.0.0.1:1/0",
        "PUBLISHER_SECRET_KEY": "another key than that of the tests",
    }
    ended = subprocess.run(
        [sys.executable, "-m", "workers", *arguments],
        env=environment,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    (line,) = ended.stderr.splitlines()
    return line


def test_a_port_that_is_taken_is_named(tmp_path: Path, database: Sessions, postgres_url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        told = complaint(postgres_url, "web", "--port", str(port), cwd=tmp_path)

    assert told.startswith(f"publisher: --port: {port} of 127.0.0.1 is taken")


def test_a_host_that_is_not_this_machine_is_named(
    tmp_path: Path, database: Sessions, postgres_url: str
) -> None:
    told = complaint(postgres_url, "web", "--host", "192.0.2.1", cwd=tmp_path)

    assert told.startswith("publisher: --port: 8000 of 192.0.2.1 is not for us")


def test_a_sender_with_another_key_does_not_start(
    tmp_path: Path, database: Sessions, postgres_url: str
) -> None:
    subscribers = Subscribers(database)
    subscribers.subscribe("/0")
    subscribers.subscribe("/1")

    told = complaint(postgres_url, "sender", cwd=tmp_path)

    assert told.startswith("publisher: PUBLISHER_SECRET_KEY: is not the key")
