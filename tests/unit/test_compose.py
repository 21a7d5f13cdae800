"""What docker-compose.yml, the images and their documents promise, as far as it shows without Docker."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from workers import app, sender, web

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = ("web", "relay", "worker", "sender", "migrate")
# What each needs to end in order; the relay sends one more message, or gives up after its timeouts.
NEEDS_S = {"web": web._STOPPING_S, "relay": 7, "worker": app.TIME_LIMIT_S, "sender": sender.STOP_S}

_STAGE = re.compile(r"^FROM (?P<base>\S+)(?: AS (?P<name>\S+))?$(?P<body>.*?)(?=^FROM |\Z)", re.M | re.S)
_VARIABLE = re.compile(r"\$\{([A-Z_]+)[:}]")


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def seconds(span: str) -> int:
    return int(span[:-1]) * {"s": 1, "m": 60}[span[-1]]


def stages() -> dict[str, str]:
    """Return the stages of the Dockerfile; the last one is what is built without a target."""
    return {one["name"]: one["body"] for one in _STAGE.finditer(read("Dockerfile"))}


def front(*words: str) -> list[str]:
    """Return what follows these words in the front's configuration."""
    start = re.escape(" ".join(words))
    return re.findall(rf"^\s*{start}\s+(.+)$", read("workers/haproxy.cfg"), re.MULTILINE)


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_cannot_gain_privileges(name: str) -> None:
    service = SERVICES[name]

    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "pid", "ipc", "devices"} & set(service)
    assert service.get("network_mode") is None


def test_no_image_of_ours_starts_as_root() -> None:
    users = {name: re.findall(r"^USER (\S+)$", body, re.MULTILINE) for name, body in stages().items()}

    assert {"build": [], "front": ["haproxy"], "publisher": ["publisher"]} == users
    assert "publisher" == list(users)[-1]
    assert {SERVICES["postgres"]["user"], SERVICES["redis"]["user"]} == {"postgres", "redis"}


def test_our_images_are_made_from_one_base_and_nothing_that_is_not_locked() -> None:
    bases = {one["base"] for one in _STAGE.finditer(read("Dockerfile"))}

    assert {"python:3.13-slim"} == bases
    assert "pip wheel --require-hashes" in stages()["build"]
    assert "--no-index" in stages()["build"]


def test_one_service_builds_the_image_and_all_that_need_it_wait_for_that_one() -> None:
    users_of_it = {name for name, one in SERVICES.items() if one.get("image") == "${APP_IMAGE:-publisher}"}

    assert set(OURS) == users_of_it
    assert ["migrate"] == [name for name in OURS if "build" in SERVICES[name]]
    assert [
        name for name in OURS if name != "migrate" and "migrate" not in SERVICES[name]["depends_on"]
    ] == []


@pytest.mark.parametrize("name", NEEDS_S)
def test_a_process_has_time_to_end_in_order(name: str) -> None:
    assert seconds(SERVICES[name]["stop_grace_period"]) > NEEDS_S[name]


def test_the_front_ends_in_order_and_in_time() -> None:
    assert "SIGUSR1" == SERVICES["front"]["stop_signal"]
    assert seconds(front("hard-stop-after")[0]) < seconds(SERVICES["front"]["stop_grace_period"])


def test_signals_reach_our_processes_and_orphans_are_reaped() -> None:
    assert {name for name in (*OURS, "front") if SERVICES[name].get("init") is not True} == set()


def test_only_the_front_is_reached_from_outside() -> None:
    inside = {name for name, one in SERVICES.items() if one["networks"] == ["backend"]}

    assert {"relay", "worker", "migrate", "postgres", "redis"} == inside
    assert COMPOSE["networks"]["backend"] == {"internal": True}
    assert ["front"] == [name for name, one in SERVICES.items() if "ports" in one]
    assert ["${WEB_LISTEN:-127.0.0.1:8000}:8000"] == SERVICES["front"]["ports"]


def test_a_health_check_is_a_program_that_compiles() -> None:
    checks = [one["healthcheck"]["test"] for one in SERVICES.values() if "healthcheck" in one]
    programs = [test[3] for test in checks if test[:3] == ["CMD", "python", "-c"]]

    for program in programs:
        compile(program, "docker-compose.yml", "exec")  # raises SyntaxError

    assert len(programs) == 5


def test_the_front_sends_nothing_twice_and_limits_no_body() -> None:
    assert ["conn-failure"] == front("retry-on")
    assert ["1"] == front("option redispatch")
    assert "http-buffer-request" not in read("workers/haproxy.cfg")
    assert ["web 20 web:8000"] == front("server-template")


def test_the_front_says_what_is_wrong_as_the_api_does() -> None:
    errors = front("http-error status")

    assert ["502", "503", "504"] == [error[:3] for error in errors]
    for error in errors:
        problem = yaml.safe_load(error.partition("string '")[2].partition("'")[0])
        assert {"type", "title", "status", "detail", "errors"} == set(problem)
        assert int(error[:3]) == problem["status"]


def test_every_variable_of_docker_compose_is_explained() -> None:
    used = set(_VARIABLE.findall(read("docker-compose.yml")))
    explained = read(".env.example") + read("docs/settings.md")

    assert {name for name in used if f"`{name}`" not in explained and f"{name}=" not in explained} == set()


def test_what_an_image_is_built_from_is_let_through() -> None:
    copied = {
        source
        for line in re.findall(r"^COPY (?!--from)(.+) \S+$", read("Dockerfile"), re.MULTILINE)
        for source in line.split()
    }
    let_through = {line[1:] for line in read(".dockerignore").splitlines() if line.startswith("!")}

    assert {source for source in copied if source.partition("/")[0] not in let_through} == set()
    assert {name for name in let_through if not (ROOT / name).exists()} == set()
