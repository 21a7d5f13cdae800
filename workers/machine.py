"""Everything on one machine, as `up` and `demo` run it: servers, tables, the four processes, the note."""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import structlog

from publisher.database import Sessions, sessions
from publisher.errors import SettingsError
from publisher.settings import PREFIX, Settings, load_settings
from workers.connections import Kind, engine_of
from workers.embedded import EmbeddedPostgres, EmbeddedValkey, Program, hold, secret
from workers.metrics.ports import metrics_ports
from workers.opening import check_redis, prepare_database
from workers.pipeline import app
from workers.ports import HOST, choose_port
from workers.readiness import Readiness
from workers.running import forget_running, write_running
from workers.supervisor import Server, Supervisor
from workers.surroundings.redis import RedisAway

LOOK_EVERY_S = 0.05
_READY_WITHIN_S = 60.0
_ENDINGS_OF_A_FAILURE = 3
_PATIENCE_S = 3.0
_TITLES = {"database_url": "PostgreSQL", "redis_url": "Redis"}
log = structlog.get_logger("publisher.machine")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to run.

    Attributes:
        data: folder of the embedded servers, the logs and the secret key.
        port: of the web process; None: 8000, or a free one where that is taken.
        concurrency: processes of the worker.
        stops_within: for what each process has begun; then it is killed.
        overrides: settings, by field name, that this machine's processes get whatever the environment says.
    """

    data: Path
    port: int | None
    concurrency: int
    stops_within: timedelta
    overrides: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What runs.

    Attributes:
        url: where the web process answers here, whatever readers reach it by.
    """

    settings: Settings
    url: str
    sessions: Sessions
    supervisor: Supervisor

    def tend(self) -> None:
        """Start again what ended, and wait a moment; call it from the main thread, all the time."""
        self.supervisor.tend()
        time.sleep(LOOK_EVERY_S)


def start_machine(plan: Plan, held: ExitStack, *, tell: Callable[[str], None]) -> Machine:
    """Start everything, and return once it answers.

    Args:
        held: stops everything, in order, when it ends; also what was begun when this raises.
        tell: is told what is being done, a sentence each.

    Raises:
        SettingsError: when something is not as it has to be; the message is one line.
    """
    data = plan.data.absolute()
    _hold_folder(data, held)
    settings = load_settings(**{**plan.overrides, "data": data})
    port = choose_port(plan.port, held)
    url = f"http://{HOST}:{port}"
    servers, addresses = _start_servers(settings, held, tell)
    known = {**plan.overrides, **addresses, "data": str(data), **derived_settings(settings, url)}
    settings = load_settings(**known)
    tell("Preparing the database")
    factory = _prepare_database(settings, held)
    _check_redis(settings)
    tell("Starting web, relay, worker and sender")
    programs = _programs(settings, port, plan.concurrency, _environment(known))
    supervisor = Supervisor(servers, programs, logs=[data / "postgres.log", data / "valkey.log"])
    held.callback(supervisor.stop, within=plan.stops_within)
    write_running(data, known)
    held.callback(forget_running, data)
    machine = Machine(settings=settings, url=url, sessions=factory, supervisor=supervisor)
    _wait_until_ready(machine)
    return machine


def _hold_folder(data: Path, held: ExitStack) -> None:
    try:
        held.enter_context(hold(data / "up.lock"))
        (data / "logs").mkdir(exist_ok=True)
    except OSError as error:
        raise SettingsError(f"{PREFIX}DATA: {data} cannot be used ({error.strerror})") from error


def _start_servers(
    settings: Settings, held: ExitStack, tell: Callable[[str], None]
) -> tuple[dict[str, Server], dict[str, str]]:
    """Start the servers that no URL stands for; return them, and where everything is."""
    servers: dict[str, Server] = {}
    if settings.database_url is None:
        servers["database_url"] = EmbeddedPostgres(settings.data)
    if settings.redis_url is None:
        servers["redis_url"] = EmbeddedValkey(settings.data)
    addresses = {"database_url": settings.database_url or "", "redis_url": settings.redis_url or ""}
    for name, server in servers.items():
        tell(f"Starting {_TITLES[name]}")
        held.callback(server.stop)
        addresses[name] = server.start()
    return {_TITLES[name]: server for name, server in servers.items()}, addresses


def derived_settings(settings: Settings, url: str) -> dict[str, str]:
    """Return what all processes, and commands that find the system, have to agree on, the keys among it.

    Args:
        url: where the web process answers here.
    """
    return {
        "secret_key": settings.secret_key or secret(settings.data / "secret.key"),
        "old_secret_keys": json.dumps(settings.old_secret_keys),
        "base_url": settings.base_url if "base_url" in settings.model_fields_set else url,
    }


def _prepare_database(settings: Settings, held: ExitStack) -> Sessions:
    prepare_database(settings, Kind.UP)
    engine = engine_of(settings, Kind.UP)
    held.callback(engine.dispose)
    return sessions(engine, app.routes)


def _check_redis(settings: Settings) -> None:
    try:
        check_redis(settings)
    except RedisAway as away:
        raise SettingsError(f"{PREFIX}REDIS_URL: cannot be reached ({away})") from away


def _environment(known: Mapping[str, str]) -> dict[str, str]:
    return {**os.environ, **{f"{PREFIX}{name.upper()}": value for name, value in known.items()}}


def _programs(
    settings: Settings, port: int, concurrency: int, environment: Mapping[str, str]
) -> list[dict[str, Program]]:
    """Return the programs in the rounds in which they are stopped."""
    metrics = metrics_ports(settings.metrics_port, web_port=port)
    logs = settings.data / "logs"

    def program(name: str, *arguments: str) -> dict[str, Program]:
        # -P: a folder named `workers` where this was started is none of ours.
        argv = (sys.executable, "-P", "-m", "workers.guarded", name, *arguments)
        own = {f"{PREFIX}METRICS_PORT": str(metrics.get(name, ""))}
        return {name: Program(argv=argv, environment={**environment, **own}, log=logs / f"{name}.log")}

    web = program("web", "--host", HOST, "--port", str(port))
    worker = program("worker", "--concurrency", str(concurrency))
    return [web, program("relay") | worker | program("sender")]


def _wait_until_ready(machine: Machine) -> None:
    deadline = time.monotonic() + _READY_WITHIN_S
    readiness = Readiness(machine.settings, machine.url, machine.sessions)
    while silent := readiness.silent(machine.supervisor):
        machine.tend()
        if failing := machine.supervisor.failing(endings=_ENDINGS_OF_A_FAILURE):
            raise SettingsError(failing)
        if time.monotonic() > deadline:
            logs = machine.settings.data / "logs"
            raise SettingsError(f"{', '.join(silent)}: did not answer in {_READY_WITHIN_S:.0f} s; see {logs}")
