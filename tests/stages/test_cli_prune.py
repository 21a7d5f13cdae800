"""`publisher prune`, and how long work is shown to whoever waits for it."""

import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console
from sqlalchemy import func, insert, select, text, update

from publisher.database import Sessions
from publisher.events import Event, EventType
from publisher.ids import new_id
from publisher.outbox.emit import emit_all
from publisher.partitions import partitions, prepare_partitions
from publisher.schema import DeliveryRow, EventRow, EventTaskRow
from publisher.settings import load_settings
from tests.stages.command import Publisher
from tests.stages.slow_deletes import slow_to_delete
from workers.commands.progress import progress

NOW = datetime.now(UTC)
OLD = NOW - timedelta(days=45)


@pytest.fixture(autouse=True)
def something_old(database: Sessions) -> Iterator[None]:
    """A day with an event, and deliveries of more than a year ago."""
    with database.begin() as session:
        prepare_partitions(session.connection(), at=OLD, days=0)
        session.execute(
            insert(EventRow).values(
                id=new_id(), time=OLD, type=EventType.ARTICLE_RECEIVED, subject=new_id(), data={}
            )
        )
        session.execute(
            insert(DeliveryRow),
            [
                {
                    "message_id": new_id(),
                    "message_time": NOW - timedelta(days=400),
                    "endpoint_id": new_id(),
                    "shard": 1,
                    "state": "succeeded",
                }
                for _ in range(3)
            ],
        )
    yield
    with database.begin() as session:
        for one in partitions(session.connection()):
            session.execute(text(f"DROP TABLE {one.name}"))


def of_that_day(*tables: str) -> list[str]:
    return [f"{table}_{OLD:%Y%m%d}" for table in tables]


def test_a_dry_run_shows_what_would_go_and_changes_nothing(publisher: Publisher, database: Sessions) -> None:
    ended = publisher("prune", "--dry-run", "--json")
    for_people = publisher("prune", "--dry-run").out

    assert ended.status == 0
    assert ended.json["dropped"] == of_that_day("attempt", "event", "message", "step")
    assert ended.json["deleted"] == {"delivery": 3}
    assert "would go" in for_people.splitlines()[0]
    with database() as session:
        assert session.scalar(select(func.count()).select_from(EventRow)) == 1


def test_what_is_old_goes_and_is_told(publisher: Publisher, database: Sessions) -> None:
    ended = publisher("prune", "--json")
    again = publisher("prune")

    assert ended.status == 0
    assert sorted(ended.json["dropped"]) == of_that_day("attempt", "event", "message", "step")
    assert (ended.json["deleted"], ended.json["left"]) == ({"delivery": 3}, {})
    assert again.out.splitlines()[0].endswith("gone: nothing")
    assert ended.err == ""


def test_the_days_of_the_command_line_come_before_the_settings(publisher: Publisher) -> None:
    longer = publisher("prune", "--keep", "60", "--dry-run", "--json").json["dropped"]
    shorter = publisher("prune", "--keep", "44", "--dry-run", "--json").json["dropped"]

    assert (longer, len(shorter)) == ([], 4)


def test_a_retention_for_ever_is_said(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBLISHER_KEEP_DAYS", "0")

    assert publisher("prune").out == "0 days are for ever: everything is kept\n"


def test_what_somebody_uses_all_the_time_is_left_and_the_command_incomplete(
    publisher: Publisher, database: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("publisher.prune.slices.MOST_TRIES", 2)
    with database() as reader:
        reader.execute(select(EventRow.id))
        ended = publisher("prune", "--json")

    assert ended.status == 1
    assert list(ended.json["left"]) == of_that_day("event")
    assert sorted(ended.json["dropped"]) == of_that_day("attempt", "message", "step")
    assert ended.complaint.startswith("left for the next time: event_")


def test_what_takes_too_long_is_left_and_the_command_incomplete(
    publisher: Publisher, database: Sessions
) -> None:
    with slow_to_delete(database, "delivery"):
        ended = publisher("prune", "--json")

    assert ended.status == 1
    assert ended.json["left"]["delivery"].startswith("page 0 of delivery: ")
    assert sorted(ended.json["dropped"]) == of_that_day("attempt", "event", "message", "step")


@pytest.mark.parametrize("keep", ["-1", "1", "6", "36501", "x"])
def test_days_that_make_no_sense_are_one_line(publisher: Publisher, keep: str) -> None:
    ended = publisher("prune", "--keep", keep)

    assert (ended.status, ended.out) == (2, "")
    assert "--keep" in ended.complaint


@pytest.mark.parametrize("days", [0, 7, 36_500])
def test_the_command_line_accepts_what_the_setting_does(publisher: Publisher, days: int) -> None:
    kept = publisher("prune", "--keep", str(days), "--dry-run").out

    assert load_settings(keep_days=days).keep_days == days
    assert ("everything is kept" in kept) == (days == 0)


def test_everything_that_is_stuck_is_replayed_in_slices(
    publisher: Publisher, database: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("publisher.outbox.watch.SLICE", 3)
    monkeypatch.setattr("workers.commands.replaying.SLICE", 3)
    with database.begin() as session:
        emit_all(session, [Event(type=EventType.ARTICLE_RECEIVED, subject=new_id()) for _ in range(7)])
        session.execute(update(EventTaskRow).values(stuck=True))

    ended = publisher("replay", "--all", "--json")

    assert ended.json == {"replayed": 7}
    with database() as session:
        assert session.scalar(select(func.count()).where(EventTaskRow.stuck)) == 0


def drawn(*, terminal: bool, slow: bool, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return what is drawn of work of three steps."""
    monkeypatch.setattr("workers.commands.progress._QUICK_S", -1.0 if slow else 60.0)
    output = io.StringIO()
    console = Console(file=output, force_terminal=terminal, width=80)
    with progress("pruning", 3, console=console) as advance:
        for _ in range(3):
            advance(1)
    return output.getvalue()


def test_a_bar_is_drawn_on_a_terminal_for_what_takes_long_and_nowhere_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert "100%" in drawn(terminal=True, slow=True, monkeypatch=monkeypatch)
    assert drawn(terminal=True, slow=False, monkeypatch=monkeypatch) == ""
    assert drawn(terminal=False, slow=True, monkeypatch=monkeypatch) == ""
