"""`publisher status | stuck | replay | trace`, on a real database, and how a running system is found."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select, update

from publisher.database import Sessions
from publisher.events import EventType
from publisher.ingest.record import record
from publisher.ingest.submission import Submission
from publisher.notify.endpoints.disabling import disable
from publisher.outbox.emit import emit
from publisher.schema import EventTaskRow
from tests.stages import told
from tests.stages.command import Publisher
from workers.running import write_running

UNKNOWN = "018f0000-0000-7000-8000-0000000000ff"
SINCE = "2026-05-04T10:02:01+07:00"
ONE_OF = "expected either ids of events, --all, or --endpoint with --since"
NOTHING = {"waiting": 0, "in_flight": 0, "oldest_age_s": 0, "stuck": 0}


@pytest.fixture
def article(database: Sessions) -> UUID:
    """An article that waits to be enriched."""
    submission = Submission(title="Mưa lớn", guid="a-1", content_text="Nước lên.")
    with database.begin() as session:
        return record(session, submission, tag_domain="news.example").article_id


def get_stuck(database: Sessions) -> UUID:
    """Make all that is owed stuck; return the event of one."""
    stuck = update(EventTaskRow).values(stuck=True, failures=6, last_error="ValueError: \x1b[31mbad")
    with database.begin() as session:
        return session.execute(stuck.returning(EventTaskRow.event_id)).scalars().one()


def test_an_idle_system_has_every_stage_and_nothing_in_it(publisher: Publisher) -> None:
    ended = publisher("status", "--json")

    assert ended.status == 0
    assert ended.json["stages"] == dict.fromkeys(
        ["enrich", "publish", "feeds", "fan_out", "deliver"], NOTHING
    )
    assert ended.json["deliveries"] == {"pending": 0, "held": 0, "failed": 0}
    assert ended.json["at"].endswith("Z")


def test_what_waits_is_counted_at_its_stage(publisher: Publisher, database: Sessions, article: UUID) -> None:
    with database.begin() as session:
        emit(session, EventType.ARTICLE_PUBLISHED, article, {"sequence": 1})

    for_programs = publisher("status", "--json").json["stages"]
    for_people = publisher("status").out

    assert {stage: found["waiting"] for stage, found in for_programs.items()} == {
        "enrich": 1,
        "publish": 0,
        "feeds": 1,
        "fan_out": 1,
        "deliver": 0,
    }
    assert for_programs["enrich"]["oldest_age_s"] > 0
    assert "deliveries: 0 pending, 0 held, 0 failed" in for_people.splitlines()
    assert "\x1b" not in for_people


def test_stuck_work_is_shown_and_sent_again(publisher: Publisher, database: Sessions, article: UUID) -> None:
    event = get_stuck(database)

    shown = publisher("stuck", "--json").json
    for_people = publisher("stuck").out
    replayed = publisher("replay", str(event), "--json")
    again = publisher("replay", str(event))

    assert shown == [
        {
            "event_id": str(event),
            "task": "enrich",
            "article_id": str(article),
            "failures": 6,
            "last_error": "ValueError: \x1b[31mbad",
        }
    ]
    assert "\x1b" not in for_people
    assert (replayed.status, replayed.json) == (0, {"replayed": 1})
    assert again.status == 1
    assert str(event) in again.complaint
    assert publisher("stuck").out == "nothing is stuck\n"


def test_everything_is_replayed_at_once(publisher: Publisher, database: Sessions, article: UUID) -> None:
    get_stuck(database)

    ended = publisher("replay", "--all", "--json")

    assert ended.json == {"replayed": 1}
    with database() as session:
        free = session.scalar(select(func.count()).where(~EventTaskRow.stuck, EventTaskRow.failures == 0))
    assert free == 1


def test_what_an_endpoint_has_missed_is_sent_again(publisher: Publisher, database: Sessions) -> None:
    with database.begin() as session:
        mine = told.endpoint(session)
        for state in (told.FAILED, told.HELD):
            told.deliver(session, mine, told.message(session, told.article(session)), state)
        told.message(session, told.article(session))
    wanted = ("replay", "--endpoint", str(mine), "--since", SINCE)

    some = publisher(*wanted, "--state", "failed", "--state", "held", "--json")
    rest = publisher(*wanted)
    none = publisher(*wanted, "--until", "2026-05-05T00:00:00Z")

    assert [one.status for one in (some, rest, none)] == [0, 0, 0]
    assert some.json == {"replayed": 2}
    assert (rest.out, none.out) == ("replayed 1\n", "replayed 0\n")


def test_nothing_is_sent_to_a_disabled_endpoint(publisher: Publisher, database: Sessions) -> None:
    with database.begin() as session:
        mine = told.endpoint(session)
        disable(session, mine, "gone")

    ended = publisher("replay", "--endpoint", str(mine), "--since", SINCE)

    assert ended.status == 2
    assert "enable it first" in ended.complaint


def test_a_trace_tells_what_happened_to_an_article(publisher: Publisher, article: UUID) -> None:
    ended = publisher("trace", str(article), "--json").json
    for_people = publisher("trace", ended["uri"]).out

    assert (ended["article"], ended["status"]) == (str(article), "received")
    assert [(one["kind"], one["name"], one["outcome"]) for one in ended["steps"]] == [
        ("event", "article.received", "recorded"),
        ("task", "enrich", "waiting"),
    ]
    assert all(one["at"].endswith("Z") for one in ended["steps"])
    assert "article.received" in for_people


def test_a_trace_tells_what_is_tried_again_from_an_embargo(
    publisher: Publisher, database: Sessions, article: UUID
) -> None:
    def state(**values: Any) -> str:
        with database.begin() as session:
            session.execute(update(EventTaskRow).values(**values))
        return str(publisher("trace", str(article), "--json").json["steps"][-1]["outcome"])

    in_an_hour = datetime.now(UTC) + timedelta(hours=1)

    assert state(due_at=in_an_hour) == "scheduled"
    assert state(failures=1) == "failing"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["replay"], ONE_OF),
        (["replay", "--all", UNKNOWN], ONE_OF),
        (["replay", "--all", "--endpoint", UNKNOWN, "--since", SINCE], ONE_OF),
        (["replay", "--all", "--since", SINCE], ONE_OF),
        (["replay", "--endpoint", UNKNOWN], ONE_OF),
        (["replay", "--endpoint", UNKNOWN, "--since", SINCE], "is unknown"),
        (["replay", "--endpoint", "7", "--since", SINCE], "endpoint: is '7', expected a UUID"),
        (["replay", "--endpoint", UNKNOWN, "--since", "yesterday"], "since: expected an RFC 3339 instant"),
        (["replay", "--endpoint", UNKNOWN, "--since", SINCE, "--until", SINCE], "until: expected"),
        (["replay", "--endpoint", UNKNOWN, "--since", SINCE, "--state", "lost"], "expected one of failed"),
        (["replay", "7"], "EVENT_ID: is '7', expected a UUID"),
        (["trace", UNKNOWN], "is unknown"),
        (["trace", "mưa"], "ARTICLE: is 'mưa', expected a UUID"),
    ],
)
def test_what_makes_no_sense_is_one_line(publisher: Publisher, arguments: list[str], told: str) -> None:
    ended = publisher(*arguments)

    assert (ended.status, ended.out) == (2, "")
    assert told in ended.complaint


def test_a_running_system_is_found_by_its_data_folder(
    publisher: Publisher, postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PUBLISHER_DATABASE_URL")
    write_running(tmp_path, {"database_url": postgres_url})

    by_option = publisher("status", "--data", str(tmp_path))
    monkeypatch.setenv("PUBLISHER_DATA", str(tmp_path))
    by_setting = publisher("status")
    nowhere = publisher("status", "--data", str(tmp_path / "trống"))

    assert (by_option.status, by_setting.status) == (0, 0)
    assert nowhere.status == 2
    assert "no `publisher up` or `demo` runs" in nowhere.complaint
