"""How `publisher web` and `publisher sender` end when they cannot work: at once, status 2, one line."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from publisher.database import Sessions
from publisher.errors import SettingsError
from tests.stages.subscribers import Subscribers
from workers.ports import refuse_port

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


@pytest.mark.parametrize("host", ["a..b", f"{'a' * 70}.example", "a b"])
def test_a_host_that_is_no_address_is_named(host: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(f"--host: {host} is no address")):
        refuse_port(host, 8000)


@pytest.mark.parametrize("taken", ["127.0.0.2", "127.0.0.3"])
def test_every_address_of_a_host_has_to_be_free(taken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(_: str, port: int, **__: object) -> list[tuple[object, ...]]:
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 0, "", (one, port)) for one in ("127.0.0.2", "127.0.0.3")
        ]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with socket.create_server((taken, 0)) as other:
        port = other.getsockname()[1]
        expected = re.escape(f"--port: {port} of two.example ({taken}) is taken")

        with pytest.raises(SettingsError, match=expected):
            refuse_port("two.example", port)


def test_without_a_host_nobody_may_listen_on_any_address() -> None:
    with socket.create_server(("127.0.0.2", 0)) as other:
        port = other.getsockname()[1]

        with pytest.raises(SettingsError, match=f"--port: {port} of 0.0.0.0 is taken"):
            refuse_port("", port)


def test_a_sender_with_another_key_does_not_start(
    tmp_path: Path, database: Sessions, postgres_url: str
) -> None:
    subscribers = Subscribers(database)
    subscribers.subscribe("/0")
    subscribers.subscribe("/1")

    told = complaint(postgres_url, "sender", cwd=tmp_path)

    assert told.startswith("publisher: PUBLISHER_SECRET_KEY: is not the key")
