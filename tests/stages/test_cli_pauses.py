"""`publisher pause | resume`, and what `status` shows of it, on a real database."""

import psycopg
import pytest
from sqlalchemy import select

from publisher.database import Sessions
from publisher.events import Event, EventType, Queue
from publisher.ids import new_id
from publisher.outbox.emit import emit_all
from publisher.outbox.lease import lease_due, look_ahead
from publisher.schema import EventTaskRow, PauseRow
from publisher.server_urls import for_libpq
from tests.stages.command import Publisher
from tests.stages.subscribers import Subscribers


@pytest.mark.parametrize(
    ("what", "tasks"),
    [
        ("enrich", {"enrich"}),
        ("publish", {"publish"}),
        ("feeds", {"feeds", "push"}),
        ("fan_out", {"fan_out"}),
        ("deliver", {"deliver"}),
    ],
)
def test_a_stage_is_paused_and_resumed(
    publisher: Publisher, database: Sessions, what: str, tasks: set[str]
) -> None:
    paused = publisher("pause", what, "--reason", "Bảo trì", "--json")
    with database() as session:
        stored = set(session.scalars(select(PauseRow.task)))
    resumed = publisher("resume", what, "--json")

    assert (paused.status, paused.json["changed"], paused.json["reason"]) == (0, True, "Bảo trì")
    assert stored == tasks
    assert resumed.json == {"what": what, "paused_since": paused.json["since"], "changed": True}
    with database() as session:
        assert session.scalars(select(PauseRow.task)).all() == []


def test_pausing_and_resuming_twice_tell_so_and_change_nothing(publisher: Publisher) -> None:
    first = publisher("pause", "deliver", "--reason", "first")
    again = publisher("pause", "deliver", "--reason", "second")
    resumed = publisher("resume", "deliver")
    too_late = publisher("resume", "deliver")

    assert first.out == "paused deliver\n"
    assert again.out.startswith("deliver is paused since ")
    assert again.out.endswith("Z: first\n")
    assert (resumed.out, too_late.out) == ("resumed deliver\n", "deliver was not paused\n")
    assert {one.status for one in (first, again, resumed, too_late)} == {0}


def test_an_endpoint_is_paused_by_its_id_and_its_deliveries_are_counted_as_held(
    publisher: Publisher, database: Sessions
) -> None:
    some = Subscribers(database)
    reader, other = some.subscribe(), some.subscribe()
    some.tell(reader, other)

    publisher("pause", str(reader), "--reason", "they are moving")
    paused = publisher("status", "--json").json
    publisher("resume", str(reader))
    resumed = publisher("status", "--json").json

    assert paused["deliveries"] == {"pending": 1, "held": 1, "failed": 0}
    assert paused["stages"]["deliver"]["waiting"] == 1
    assert [(one["what"], one["reason"]) for one in paused["paused"]] == [(str(reader), "they are moving")]
    assert resumed["deliveries"] == {"pending": 2, "held": 0, "failed": 0}
    assert resumed["paused"] == []


def test_status_shows_people_what_is_paused_and_why(publisher: Publisher) -> None:
    publisher("pause", "enrich", "--reason", "new \x1b[31mmodels")

    shown = publisher("status").out

    assert any(
        line.startswith("paused: enrich since ") and line.endswith("models") for line in shown.splitlines()
    )
    assert "\x1b" not in shown


def test_resuming_brings_a_long_backlog_back_and_wakes_the_relay(
    publisher: Publisher, database: Sessions, postgres_url: str
) -> None:
    publisher("pause", "enrich")
    many = [
        Event(type=EventType.ARTICLE_RECEIVED, subject=new_id(), data={"sequence": 1}) for _ in range(1_100)
    ]
    with database.begin() as session:
        emit_all(session, many)
    for _ in range(3):
        with database.begin() as session:
            assert lease_due(session, Queue.PIPELINE, room=8) == []
    with database() as session:
        assert look_ahead(session).due == []
    url = for_libpq(postgres_url)

    with psycopg.connect(url, autocommit=True) as listener:
        listener.execute("LISTEN outbox")
        publisher("resume", "enrich")
        woken = list(listener.notifies(timeout=5, stop_after=1))

    assert woken
    with database() as session:
        assert set(session.scalars(select(EventTaskRow.queue).distinct())) == {"pipeline"}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ["pause", "everything"],
            "WHAT: is 'everything', expected one of enrich, publish, feeds, fan_out, deliver",
        ),
        (["resume", "7"], "or the id of an endpoint"),
        (["pause", "018f0000-0000-7000-8000-0000000000ff"], "endpoint 018f0000-0000-7000-8000-0000000000ff"),
        (["pause", "deliver", "--reason", "x" * 501], "reason: expected at most 500 characters"),
    ],
)
def test_what_makes_no_sense_is_one_line(publisher: Publisher, arguments: list[str], told: str) -> None:
    ended = publisher(*arguments)

    assert (ended.status, ended.out) == (2, "")
    assert told in ended.complaint
