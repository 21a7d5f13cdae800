"""What is done to an installation: streams through it, crashes in it, a new version of it."""

import json
import re
import socket
from collections.abc import Sequence
from contextlib import suppress
from http.client import HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from compose_check.failure import CheckError, wait_for
from compose_check.installation import Installation

_ROOT = Path(__file__).parents[2]
_HEAD = (
    "POST /v1/articles:batch HTTP/1.1\r\nHost: front\r\nAuthorization: Bearer {key}\r\n"
    "Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
)
_NEW_VERSION = "999.0.0"
_MIGRATION = '''"""Nothing of importance."""

from alembic import op

revision = "{revision:04}"
down_revision = "{before:04}"


def upgrade() -> None:
    """Add a table that nobody asks for."""
    op.execute("CREATE TABLE compose_check (id INTEGER)")
'''
# Every process of a container but the first, which then ends, too: a crash, as restart policies see it.
_CRASH = ["python", "-c", "import os; os.kill(-1, 9)"]


def send_batch(address: str, key: str, articles: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Send articles in one request, the first one alone until its answer is there; return the answers."""
    parts = urlsplit(address)
    with socket.create_connection((parts.hostname, parts.port), timeout=60) as connection:
        connection.sendall(_HEAD.format(key=key).encode() + _chunk(articles[0]))
        response = HTTPResponse(connection)
        try:
            response.begin()
            answers = [response.readline()]
            for one in articles[1:]:
                connection.sendall(_chunk(one))
            connection.sendall(b"0\r\n\r\n")
            answers += response.readlines()
        except OSError as error:
            raise CheckError(f"the batch got stuck: {error!r}") from error
    return [json.loads(answer) for answer in answers]


def _chunk(article: dict[str, Any]) -> bytes:
    line = json.dumps(article).encode() + b"\n"
    return b"%x\r\n%b\r\n" % (len(line), line)


def kill(installation: Installation, service: str) -> None:
    """Kill all containers of a service; Docker does not start again what was killed in this way."""
    installation.run(["docker", "kill", "--signal", "KILL", *installation.containers(service)])


def start_again(installation: Installation, service: str) -> None:
    """Start the containers of a service that were killed."""
    installation.run(["docker", "start", *installation.containers(service)])


def crash(installation: Installation, service: str) -> None:
    """Make all containers of a service crash, and wait until each was started again by itself."""
    for container in installation.containers(service):
        with suppress(CheckError):  # it kills whoever asked for it, too
            installation.run(["docker", "exec", container, *_CRASH])
    wait_for(
        lambda: (one["Name"] for one in installation.inspect(service) if not one["RestartCount"]),
        "not started again after a crash",
        within_s=30,
    )


def make_new_version(installation: Installation) -> None:
    """Change what the images are built from: another version, and one migration more."""
    package = installation.folder / "publisher" / "__init__.py"
    text = package.read_text(encoding="utf-8")
    package.write_text(re.sub(r'^__version__ = ".*"', f'__version__ = "{_NEW_VERSION}"', text, flags=re.M))
    migrations = package.parent / "migrations" / "versions"
    before = max(int(path.name[:4]) for path in migrations.glob("[0-9]*.py"))
    (migrations / f"{before + 1:04}_check.py").write_text(
        _MIGRATION.format(revision=before + 1, before=before)
    )


def old_processes(installation: Installation, services: Sequence[str]) -> list[str]:
    """Return those of the services whose containers do not all run the new version."""
    return [
        f"{service} runs {version}"
        for service in services
        for container in installation.containers(service)
        if (version := installation.run(["docker", "exec", container, "publisher", "version"]))
        != _NEW_VERSION
    ]


def first_article(address: str, key: str) -> list[str]:
    """Return the README's command that sends an article, for this address and key."""
    text = (_ROOT / "README.md").read_text(encoding="utf-8")
    found = re.search(r"^(curl \S+ http://127\.0\.0\.1:8000/v1/articles .+?)^```", text, re.DOTALL | re.M)
    if found is None:
        raise CheckError("README.md: has no `curl` that sends an article")
    return ["sh", "-c", found[1].replace("http://127.0.0.1:8000", address).replace("pub_…", key)]


def documented(heading: str) -> list[str]:
    """Return the commands that stand under a heading of docs/deployment.md, as one script."""
    text = (_ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
    found = re.search(rf"^## {heading}\n.*?^```sh\n(.+?)^```", text, re.DOTALL | re.M)
    if found is None:
        raise CheckError(f"docs/deployment.md: has no commands under {heading!r}")
    return ["sh", "-e", "-c", found[1]]
