"""What the documents say is what the code does."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry

from publisher.api.docs import describe
from publisher.article import Category, PublicArticle, Source
from publisher.database import connect, sessions
from publisher.events import EventType
from publisher.notify.endpoints.filters import DELIVERED
from publisher.notify.fan_out.happened import EndpointChanged, Happened, Published, Retracted
from publisher.notify.fan_out.message import message_body
from publisher.notify.schedule import PAUSES
from publisher.settings import PREFIX, Settings, load_settings
from workers.metrics.requests import WebMeters
from workers.web import create_app

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(ROOT.glob("docs/**/*.md"))]
DECISIONS = sorted(ROOT.glob("docs/decisions/*.md"))
AT = datetime(2021, 11, 23, 1, 52, tzinfo=UTC)
ID = UUID("01a20d33-939f-70c8-b6c9-6a1a90d1c0de")
URI = f"tag:news.example,2021-11-23:article/{ID}"

_ROW = re.compile(r"^\| `(PUBLISHER_[A-Z_]+)` \| (.+?) \| .+ \|$", re.MULTILINE)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)#:]+)(?:#[^)]*)?\)")
_JSON = re.compile(r"^```json\n(.+?)^```", re.MULTILINE | re.DOTALL)


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def section(document: str, heading: str) -> str:
    """Return what stands under a heading of the second level."""
    return document.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def examples(event_type: EventType) -> list[dict[str, Any]]:
    """Return the JSON examples of an event: the event itself, then what subscribers receive of it."""
    return [json.loads(one) for one in _JSON.findall(section(read("docs/events.md"), f"`{event_type}`"))]


def shape(value: Any) -> Any:
    """Return the names of a JSON value's members, and those of the members of lists."""
    if isinstance(value, dict):
        return {name: shape(one) for name, one in value.items()}
    return [shape(one) for one in value[:1]] if isinstance(value, list) else None


def happened(event_type: EventType) -> Happened:
    """Return an event of a type that is delivered, with every member filled."""
    if event_type is EventType.ARTICLE_RETRACTED:
        return Retracted(
            event_id=ID, time=AT, type=event_type, article_id=ID, uri=URI, sequence=3, url="https://a.example/",
            reason="Sai",
        )  # fmt: skip
    if event_type in (EventType.ENDPOINT_TEST, EventType.ENDPOINT_DISABLED):
        return EndpointChanged(event_id=ID, time=AT, type=event_type, endpoint_id=ID, reason="gone")
    article = PublicArticle(
        id=ID, uri=URI, sequence=1, link="https://a.example/", title="Bài", slug="bai", summary="Tóm tắt",
        content_html="<p>Bài</p>", content_text="Bài", language="vi", published=AT, updated=AT,
        url="https://a.example/", categories=(Category(term="xa-hoi", label="Xã hội"),), tags=("đường",),
        places=("Đà Nẵng",), source=Source(name="a.example", url=None),
    )  # fmt: skip
    return Published(event_id=ID, time=AT, type=event_type, article=article)


def default_of(name: str) -> str:
    """Return a setting's default as the table shows it."""
    default = Settings.model_fields[name].default
    if default in (None, ()):
        return "unset" if default is None else "none"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def test_the_table_of_settings_is_complete_and_its_defaults_are_the_codes() -> None:
    table = dict(_ROW.findall(read("docs/settings.md").partition("\n## ")[0]))

    assert table == {f"{PREFIX}{name.upper()}": default_of(name) for name in Settings.model_fields}


@pytest.mark.parametrize("event_type", list(EventType))
def test_the_example_of_an_event_has_its_attributes(event_type: EventType) -> None:
    event = examples(event_type)[0]

    assert list(event) == ["id", "type", "subject", "time", "data"]
    assert event["type"] == event_type
    assert UUID(event["id"]).version == 7
    assert datetime.fromisoformat(event["time"]).tzinfo is not None


@pytest.mark.parametrize("event_type", list(EventType))
def test_the_example_of_a_message_has_the_members_of_the_real_one(event_type: EventType) -> None:
    messages = examples(event_type)[1:]

    if event_type not in DELIVERED:
        assert messages == []
    else:
        assert [shape(one) for one in messages] == [shape(json.loads(message_body(happened(event_type))))]
        assert messages[0]["type"] == event_type


def test_the_schedule_of_attempts_is_the_codes() -> None:
    pauses = ["5 s", "5 min", "30 min", "2 h", "5 h", "10 h", "14 h", "20 h", "24 h"]
    seconds = {"s": 1, "min": 60, "h": 3600}

    told = [int(number) * seconds[unit] for number, unit in map(str.split, pauses)]

    assert told == [pause.total_seconds() for pause in PAUSES]
    assert f"then {', '.join(pauses[:-1])} and {pauses[-1]}" in read("docs/events.md")


def test_every_request_that_the_web_process_answers_is_documented() -> None:
    factory = sessions(connect("postgresql+psycopg://nobody@127.0.0.1:1/none"), {})
    meters = WebMeters(CollectorRegistry())
    application = create_app(load_settings(secret_key="a key that only tests use"), factory, meters=meters)
    documented = read("docs/api.md")

    requests = [
        f"{method.upper()} {_shown(path)}" if path.startswith("/v1/") else _shown(path)
        for path, operations in describe(application)["paths"].items()
        for method in operations
    ]

    assert len(requests) > 10
    assert [request for request in requests if request not in documented] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_between_documents_leads_somewhere(document: Path) -> None:
    links = _LINK.findall(document.read_text(encoding="utf-8"))

    assert [link for link in links if not (document.parent / link).exists()] == []


def test_every_make_target_that_is_named_exists() -> None:
    documents = "\n".join(document.read_text(encoding="utf-8") for document in DOCUMENTS)
    named = set(re.findall(r"(?:`|\$ )make ([.a-z-]+)", documents))
    targets = set(re.findall(r"^([.a-z-]+):", read("Makefile"), re.MULTILINE))

    assert {"demo", "test"} <= named
    assert named - targets == set()


def test_every_guard_is_named_once() -> None:
    guards = re.findall(r"^\| (.+?) \|", section(read("docs/promises.md"), "Guards"), re.MULTILINE)

    assert len(guards) > 50
    assert sorted(set(guards)) == sorted(guards)


def test_every_test_that_is_promised_to_prove_something_exists() -> None:
    # Without a folder it is one of the whole way, as the table's heading says.
    named = set(re.findall(r"`(?:tests/(\w+)/)?(test_\w+\.py)`", read("docs/promises.md")))

    paths = {ROOT / "tests" / (folder or "pipeline") / name for folder, name in named}
    assert len(paths) > 50
    assert [path.name for path in sorted(paths) if not path.exists()] == []


@pytest.mark.parametrize("decision", DECISIONS, ids=lambda path: path.stem[:4])
def test_a_decision_is_one_page_with_context_decision_and_consequences(decision: Path) -> None:
    lines = decision.read_text(encoding="utf-8").splitlines()

    assert lines[0].startswith(f"# {int(decision.stem[:4])}. ")
    assert [line for line in lines if line.startswith("## ")] == [
        "## Context",
        "## Decision",
        "## Consequences",
    ]
    assert len(lines) <= 60


def test_decisions_are_numbered_without_gaps() -> None:
    assert [int(path.stem[:4]) for path in DECISIONS] == list(range(1, len(DECISIONS) + 1))


def _shown(path: str) -> str:
    """Return a path as the documents write it."""
    return (
        re.sub(r"\{\w+_id\}", "{id}", path)
        .replace("{slug}", "<slug>")
        .replace("{ending}", "atom")
        .replace("{kind}", "<kind>")
    )
