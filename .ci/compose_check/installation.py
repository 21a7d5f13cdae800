"""An installation of this project under docker-compose, in a clean folder and under a name of its own."""

import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from compose_check.failure import CheckError

OURS = ("web", "relay", "worker", "sender")
_SOURCE = Path(__file__).parents[2]
_NEEDED = (
    *("docker-compose.yml", "Dockerfile", ".dockerignore", ".env.example"),
    *("pyproject.toml", "requirements.lock", "README.md", "LICENSE"),
    *("publisher", "feeds", "workers"),
)
_FOREIGN = ("PUBLISHER_", "COMPOSE_", "POSTGRES_")
_OVERRIDE = "check.yml"
# Room for the receiver of webhooks, which stands in the network that senders reach, and says what it got.
_RECEIVER = """
services:
  receiver:
    image: {image}
    entrypoint: [python, /receiver.py]
    user: "10001"
    read_only: true
    init: true
    cap_drop: [ALL]
    networks: [default]
    ports: ["127.0.0.1::9000"]
    volumes: ["{script}:/receiver.py:ro"]
    healthcheck:
      test: [CMD, python, -c, "import socket; socket.create_connection(('127.0.0.1', 9000), 2)"]
      interval: 2s
"""


class Installation:
    """Runs `docker compose` in its folder, and removes all that came of it."""

    def __init__(self, folder: Path, *, override: Path | None, front_port: int) -> None:
        """Copy what an image is made from, and fill in `.env` as `.env.example` tells."""
        self.folder = folder
        self.project = f"publisher-check-{secrets.token_hex(3)}"
        self.front = f"http://127.0.0.1:{front_port}"
        self._images = {"APP_IMAGE": f"{self.project}:app", "FRONT_IMAGE": f"{self.project}:front"}
        self._receiver_image = f"{self.project}:receiver"
        self._made_of: set[str] = set()
        for name in _NEEDED:
            _copy(_SOURCE / name, folder / name)
        self._write_override()
        files = ["docker-compose.yml", _OVERRIDE, *([str(override)] if override else [])]
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)},
            **self._images,
            "COMPOSE_PROJECT_NAME": self.project,
            "COMPOSE_FILE": os.pathsep.join(files),
        }
        self.set_up(front_port)

    def set_up(self, front_port: int) -> None:
        """Write `.env`."""
        filled = {"POSTGRES_PASSWORD": secrets.token_hex(24), "PUBLISHER_SECRET_KEY": secrets.token_hex(32)}
        lines = (self.folder / ".env.example").read_text().splitlines()
        (self.folder / ".env").write_text(
            "\n".join(
                f"{name}={filled[name]}" if (name := line.removesuffix("=")) in filled else line
                for line in lines
            )
            + "\n"
        )
        self.settings(
            WEB_LISTEN=f"127.0.0.1:{front_port}",
            PUBLISHER_ALLOW_HTTP="true",
            PUBLISHER_ALLOWED_NETWORKS="10.0.0.0/8,172.16.0.0/12,192.168.0.0/16",
            PUBLISHER_FEED_LENGTH="1000",
        )

    def settings(self, **values: str) -> None:
        """Add settings to `.env`."""
        with (self.folder / ".env").open("a") as file:
            file.writelines(f"{name}={value}\n" for name, value in values.items())

    def run(self, command: Sequence[str], *, within_s: float = 600, **environment: str) -> str:
        """Run a command in the folder; return what it printed.

        Raises:
            CheckError: when it fails, with the end of what it complained of.
        """
        ended = subprocess.run(
            command, cwd=self.folder, env={**self._environment, **environment}, timeout=within_s,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if ended.returncode != 0:
            told = "\n".join((ended.stderr or ended.stdout).splitlines()[-8:])
            raise CheckError(f"{' '.join(command)[:200]}\nended with {ended.returncode}: {told}")
        return ended.stdout.strip()

    def compose(self, *arguments: str, within_s: float = 600) -> str:
        """Run `docker compose …`; return what it printed."""
        return self.run(["docker", "compose", *arguments], within_s=within_s)

    def build(self) -> None:
        """Build the images, and keep one for the receiver, which does not change with the others."""
        self.compose("build", "--quiet")
        self.remember_images()
        self.run(["docker", "tag", self._images["APP_IMAGE"], self._receiver_image])

    def remember_images(self) -> None:
        """Remember which images there are by now, to remove them at the end."""
        for name in self._images.values():
            self._made_of.add(self.run(["docker", "image", "inspect", "-f", "{{.Id}}", name]))

    def containers(self, service: str) -> list[str]:
        """Return the ids of a service's containers, running or not."""
        return self.compose("ps", "--all", "--quiet", service).split()

    def inspect(self, service: str) -> list[Mapping[str, Any]]:
        """Return what Docker knows of a service's containers."""
        found: list[Mapping[str, Any]] = json.loads(
            self.run(["docker", "inspect", *self.containers(service)])
        )
        return found

    def unhealthy(self) -> list[str]:
        """Return the containers that should be healthy and are not."""
        lines = self.compose("ps", "--all", "--format", "{{.Service}} {{.Name}} {{.State}} {{.Health}}")
        states = [line.split(" ", 3) for line in lines.splitlines()]
        return [
            f"{name} is {state}, {health or 'without a health check'}"
            for service, name, state, health in states
            if service != "migrate" and (state, health) != ("running", "healthy")
        ]

    def address(self, service: str, port: int) -> str:
        """Return where the first container of a service is reached from here."""
        return f"http://{self.compose('port', service, str(port))}"

    def remove(self) -> None:
        """Remove containers, networks, volumes and images; what is not there is no matter."""
        with suppress(CheckError, subprocess.TimeoutExpired):
            self.compose("down", "--volumes", "--remove-orphans", "--timeout", "5", within_s=120)
        for image in {*self._images.values(), self._receiver_image, *self._made_of}:
            with suppress(CheckError):
                self.run(["docker", "image", "rm", "--force", image])

    def _write_override(self) -> None:
        script = Path(__file__).with_name("receiver.py")
        (self.folder / _OVERRIDE).write_text(_RECEIVER.format(image=self._receiver_image, script=script))


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target)
