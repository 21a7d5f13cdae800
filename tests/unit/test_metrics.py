"""What metrics are called, where they are shown, and that each of them is written down."""

import re
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import create_engine
from sqlalchemy.orm import Session, sessionmaker
from structlog.testing import capture_logs

from publisher.errors import SettingsError
from publisher.settings import Settings, load_settings
from tests.free_ports import free_port
from workers.metrics import record as record_module
from workers.metrics.listener import serve_metrics
from workers.metrics.ports import metrics_ports
from workers.metrics.record import RecordMeters
from workers.metrics.registry import new_registry
from workers.metrics.relaying import RelayMeters
from workers.metrics.requests import WebMeters, area_of
from workers.metrics.sending import SenderMeters
from workers.metrics.steps import StepMeters

DOCUMENT = Path(__file__).parents[2] / "docs" / "metrics.md"
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


def nowhere() -> sessionmaker[Session]:
    """Return sessions on a database that nobody can reach."""
    return sessionmaker(create_engine("postgresql+psycopg://nobody@127.0.0.1:1/none?connect_timeout=1"))


def everything() -> CollectorRegistry:
    """Return a registry with the metrics of every process."""
    registry = new_registry("tests")
    for meters in (WebMeters, RelayMeters, StepMeters, SenderMeters):
        meters(registry)
    RecordMeters(nowhere(), registry)
    return registry


def names_of(registry: CollectorRegistry) -> set[str]:
    ending = {"counter": "_total", "info": "_info"}
    return {f"{one.name}{ending.get(one.type, '')}" for one in registry.collect()}


def scraped(port: int, path: str = "/metrics", **headers: str) -> tuple[str, str]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
        return answer.headers["content-type"], answer.read().decode()


def settings_on(port: int | None) -> Settings:
    return load_settings(metrics_port=port)


def test_every_metric_is_documented() -> None:
    documented = set(re.findall(r"`((?:publisher|process)_[a-z_]+)`", DOCUMENT.read_text(encoding="utf-8")))

    assert names_of(everything()) - documented == set()


def test_every_documented_metric_exists() -> None:
    # Those of the record are there once it was looked at, which the tests of stages do.
    source = "\n".join(
        path.read_text(encoding="utf-8")
        for path in (DOCUMENT.parents[1] / "workers" / "metrics").glob("*.py")
    )
    rows = re.findall(r"^\| `(publisher_[a-z_]+)` \|", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)

    unknown = [
        name for name in rows if f'"{name.removesuffix("_total").removesuffix("_info")}"' not in source
    ]

    assert len(rows) > 25
    assert unknown == []


def test_scrapes_are_answered_in_the_format_that_was_asked_for() -> None:
    port = free_port()
    serve_metrics(settings_on(port), new_registry("web"))

    plain, text = scraped(port)
    rich, open_text = scraped(port, Accept=OPENMETRICS)

    assert plain.startswith("text/plain")
    assert 'publisher_build_info{process="web"' in text
    assert rich.startswith("application/openmetrics-text")
    assert open_text.endswith("# EOF\n")
    assert "_created" not in text + open_text


def test_there_is_nothing_else_on_the_port() -> None:
    port = free_port()
    serve_metrics(settings_on(port), CollectorRegistry())

    with pytest.raises(urllib.error.HTTPError) as refused:
        scraped(port, "/v1/articles")

    refused.value.close()
    assert refused.value.code == 404


def test_a_port_that_is_taken_is_one_line_that_names_the_setting() -> None:
    port = free_port()
    serve_metrics(settings_on(port), CollectorRegistry())

    with pytest.raises(
        SettingsError, match=rf"^PUBLISHER_METRICS_PORT: 127\.0\.0\.1 port {port} .*in use.*$"
    ):
        serve_metrics(settings_on(port), CollectorRegistry())


def test_an_address_that_is_not_ours_is_one_line_too() -> None:
    with pytest.raises(SettingsError, match=r"^PUBLISHER_METRICS_PORT: 192\.0\.2\.1 port"):
        serve_metrics(load_settings(metrics_port=free_port(), metrics_host="192.0.2.1"), CollectorRegistry())


def test_without_a_port_nobody_listens() -> None:
    serve_metrics(settings_on(None), CollectorRegistry())

    assert metrics_ports(None, web_port=8000) == {}


def test_an_empty_port_is_none() -> None:
    assert load_settings(metrics_port="").metrics_port is None


def test_processes_of_one_machine_take_a_port_each() -> None:
    assert metrics_ports(9100, web_port=8000) == {"web": 9100, "relay": 9101, "worker": 9102, "sender": 9103}


@pytest.mark.parametrize(("first", "web_port"), [(65533, 8000), (9100, 9103), (8000, 8000)])
def test_ports_that_do_not_fit_are_one_line(first: int, web_port: int) -> None:
    with pytest.raises(SettingsError, match=r"^PUBLISHER_METRICS_PORT: .*expected at most 65532"):
        metrics_ports(first, web_port=web_port)


@pytest.mark.parametrize(
    ("path", "area"),
    [
        ("/v1/articles", "api"),
        ("/v1/articles:batch", "batch"),
        ("/v1/nothing", "api"),
        ("/feeds/all.atom", "feeds"),
        ("/readyz", "health"),
        ("/", "pages"),
        ("/../../etc/passwd", "pages"),
    ],
)
def test_whatever_clients_ask_for_there_are_few_areas(path: str, area: str) -> None:
    assert area == area_of(path)


def test_while_the_database_is_away_a_scrape_says_so_and_asks_nobody() -> None:
    registry = CollectorRegistry()
    record = RecordMeters(nowhere(), registry)
    record.look()

    assert {one.name for one in registry.collect()} == {"publisher_database_up"}
    assert registry.get_sample_value("publisher_database_up") == 0


def test_a_look_that_raises_is_told_of_and_ends_no_looking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_module, "_EVERY_S", 0.01)
    errors = [RuntimeError("a bug"), OSError("too many open files")]
    looks_again = threading.Event()

    def connect() -> None:
        if errors:
            raise errors.pop(0)
        looks_again.set()
        threading.Event().wait()  # for ever: no later test hears of it

    engine = create_engine("postgresql+psycopg://", creator=connect)
    record = RecordMeters(sessionmaker(engine), CollectorRegistry())
    with capture_logs() as logs:
        record.start()
        assert looks_again.wait(10)

    assert [one["error"] for one in logs if one["event"] == "metrics.no_look"] == [
        "RuntimeError: a bug",
        "OSError: too many open files",
    ]


@pytest.mark.parametrize(("error", "up"), [(RuntimeError("a bug"), 1), (OSError("no sockets left"), 0)])
def test_a_bug_does_not_say_that_the_database_is_away(error: Exception, up: int) -> None:
    def connect() -> None:
        raise error

    registry = CollectorRegistry()
    RecordMeters(sessionmaker(create_engine("postgresql+psycopg://", creator=connect)), registry).look()

    assert {one.name for one in registry.collect()} == {"publisher_database_up"}
    assert registry.get_sample_value("publisher_database_up") == up
