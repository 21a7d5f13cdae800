"""The shape of the system: who imports whom, what leads to what, and what is written down."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import typer
import yaml

from publisher import errors
from publisher.events import EventType
from publisher.settings import PREFIX, Settings
from workers.cli import cli
from workers.pipeline import ROUTES, app

ROOT = Path(__file__).parents[1]
PACKAGES = ("publisher", "feeds", "workers")
LONGEST_MODULE = 250
BANNED_NAMES = {"utils", "util", "helpers", "helper", "common", "base", "misc"}
# A migration is written once and never again; the first one holds every table.
MIGRATIONS = ROOT / "publisher" / "migrations" / "versions"
QUEUES_AND_SERVERS = {"celery", "kombu", "billiard", "redis", "uvicorn", "uvloop"}
ROUTERS_OF_FEEDS = {
    "feeds.http",
    "feeds.hub_http",
    "feeds.answers",
    "feeds.directories_http",
    "feeds.serving.front",
}
WEB_FRAMEWORKS = {"fastapi", "starlette", "fastapi_offline"}


def modules() -> dict[str, Path]:
    """Return every module of the project, by its dotted name."""
    paths = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    return {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in paths}


@cache
def tree_of(path: Path) -> ast.Module:
    """Return a module, parsed."""
    return ast.parse(path.read_text(encoding="utf-8"))


def imports_of(tree: ast.AST) -> Iterator[str]:
    """Yield what a piece of code imports: `package.module`, or `package.module.name`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{one.name}" for one in node.names)


def imported_modules(path: Path, known: set[str]) -> set[str]:
    """Return the project's modules that a module imports."""
    found = set()
    for name in imports_of(tree_of(path)):
        candidates = (
            name,
            f"{name}.__init__",
            name.rpartition(".")[0],
            f"{name.rpartition('.')[0]}.__init__",
        )
        found |= {one for one in candidates[:2] if one in known} or {
            one for one in candidates[2:] if one in known
        }
    return found


def commands(group: typer.Typer, path: str = "publisher") -> Iterator[str]:
    """Yield every command of the command line as one types it."""
    for command in group.registered_commands:
        assert command.callback is not None
        yield f"{path} {command.name or command.callback.__name__}"
    for one in group.registered_groups:
        assert one.typer_instance is not None
        yield from commands(one.typer_instance, f"{path} {one.typer_instance.info.name}")


def documentation() -> str:
    """Return the README and all of docs/."""
    return "\n".join(
        path.read_text(encoding="utf-8") for path in [ROOT / "README.md", *ROOT.glob("docs/*.md")]
    )


def test_imports_point_one_way_and_stages_do_not_know_each_other() -> None:
    # In a process of its own: it silences every logger that the process had before.
    lint = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    linted = subprocess.run(
        [sys.executable, "-c", lint], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert linted.returncode == 0, linted.stdout + linted.stderr


def test_no_module_imports_itself_in_a_circle() -> None:
    paths = modules()
    known = set(paths)

    graph = {name: imported_modules(path, known) - {name} for name, path in paths.items()}

    TopologicalSorter(graph).prepare()  # raises CycleError with the circle in it


def test_nothing_is_imported_inside_a_function() -> None:
    late = [
        f"{name}:{node.lineno}"
        for name, path in modules().items()
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and list(imports_of(node))
    ]

    assert late == []


def test_only_workers_know_queues_and_servers() -> None:
    found = {
        name
        for name, path in modules().items()
        if QUEUES_AND_SERVERS & {one.partition(".")[0] for one in imports_of(tree_of(path))}
    }

    assert {name for name in found if not name.startswith("workers.")} == set()


def test_only_routers_and_workers_know_a_web_framework() -> None:
    found = {
        name
        for name, path in modules().items()
        if WEB_FRAMEWORKS & {one.partition(".")[0] for one in imports_of(tree_of(path))}
    }

    assert {
        name for name in found - ROUTERS_OF_FEEDS if not name.startswith(("publisher.api.", "workers."))
    } == set()


def test_a_module_is_short_enough_to_be_read() -> None:
    lengths = {
        name: len(path.read_text(encoding="utf-8").splitlines())
        for name, path in modules().items()
        if path.parent != MIGRATIONS
    }

    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_MODULE} == {}


def test_a_module_is_named_after_what_it_is() -> None:
    assert [name for name in modules() if BANNED_NAMES & set(name.split("."))] == []


def test_every_module_says_what_it_is() -> None:
    silent = [
        name
        for name, path in modules().items()
        if path.read_text(encoding="utf-8").strip() and not ast.get_docstring(tree_of(path))
    ]

    assert silent == []


def test_every_event_has_a_route_and_every_task_is_on_one() -> None:
    routed = {task.name for tasks in ROUTES.values() for task in tasks}
    registered = {name for name in app.tasks if not name.startswith("celery.")}

    assert set(EventType) == set(ROUTES)
    assert registered == routed
    assert {event.value: tuple(task.name for task in tasks) for event, tasks in ROUTES.items()} == app.routes


def test_every_event_is_documented() -> None:
    documented = (ROOT / "docs" / "events.md").read_text(encoding="utf-8")

    assert [one for one in EventType if f"\n## `{one}`\n" not in documented] == []


def test_every_setting_is_documented() -> None:
    documented = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")

    assert [
        name for name in Settings.model_fields if f"\n| `{PREFIX}{name.upper()}` |" not in documented
    ] == []


def test_every_command_is_documented() -> None:
    documented = documentation()

    assert [command for command in commands(cli) if command not in documented] == []


def test_every_error_is_in_the_tree_at_the_top() -> None:
    classes = [
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, Exception)
    ]

    assert [name for name in classes if name not in (errors.__doc__ or "")] == []


def test_docker_compose_hands_every_setting_to_every_process() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
    # The folder of embedded servers is of no use in a container.
    expected = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields if name != "data"}

    given = {
        name: set(services[name]["environment"]) for name in ("web", "relay", "worker", "sender", "migrate")
    }

    assert given == dict.fromkeys(given, expected)


def test_docker_compose_watches_and_restarts_what_stays_up() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
    staying = {name: service for name, service in services.items() if name != "migrate"}

    assert {name for name, one in staying.items() if "healthcheck" not in one} == set()
    assert {one["restart"] for one in staying.values()} == {"unless-stopped"}
    assert {name for name, one in staying.items() if "stop_grace_period" not in one} == set()
    assert [name for name, one in services.items() if "ports" in one] == ["front"]
    assert {
        name for name, one in services.items() if not one["read_only"] or one["cap_drop"] != ["ALL"]
    } == set()
