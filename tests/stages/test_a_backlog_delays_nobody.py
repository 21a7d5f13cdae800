"""However much waits for one endpoint, what is for others is found at once, and a takedown goes first."""

import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, text, update

from publisher.database import Sessions
from publisher.ids import new_id
from publisher.notify.claiming.claim import Claim, claim
from publisher.notify.claiming.looks import IN_FLIGHT
from publisher.notify.endpoints import waiting
from publisher.notify.fan_out.message import message_name
from publisher.notify.memory.room import Room
from publisher.notify.memory.sweep import WALK
from publisher.notify.outcome import DeliveryState
from publisher.notify.pump import pump
from publisher.notify.shards.leases import beat
from publisher.schema import DeliveryRow, EndpointRow
from tests.receivers import Reply
from tests.stages.listening import Listening, Making
from tests.stages.pumps import RunningPump
from tests.stages.subscribers import BODY, BOX, Subscribers
from tests.waiting import eventually

SUCCEEDED, HELD = DeliveryState.SUCCEEDED, DeliveryState.HELD


def in_one_shard(some: Listening) -> None:
    """Let all endpoints and what is owed to them lie in one shard."""
    with some.sessions.begin() as session:
        session.execute(update(EndpointRow).values(shard=7))
        session.execute(update(DeliveryRow).values(shard=7))


def let_wait(some: Listening, endpoint: UUID, count: int) -> None:
    """Let so many messages wait for an endpoint, for an hour."""
    with some.sessions.begin() as session:
        session.execute(
            text("""
                WITH told AS (
                    INSERT INTO message (id, time, type, body)
                    SELECT gen_random_uuid(), now(), 'article.published', :body
                    FROM generate_series(1, :count) RETURNING id, time
                )
                INSERT INTO delivery (message_id, message_time, endpoint_id, shard, state, next_attempt_at)
                SELECT told.id, told.time, endpoint.id, endpoint.shard, 'pending', now() - interval '1 hour'
                    + row_number() OVER () * interval '1 millisecond'
                FROM told, endpoint WHERE endpoint.id = :endpoint
            """),
            {"count": count, "endpoint": endpoint, "body": BODY},
        )


def test_a_message_is_sent_at_once_although_much_waits_for_an_endpoint_that_hangs(
    subscribers: Making,
) -> None:
    some = subscribers(lambda one: Reply(after_s=20.0 if one.path == "/hangs" else 0.0))
    hanging, other = some.subscribe("/hangs"), some.subscribe("/other", host=2)
    in_one_shard(some)
    let_wait(some, hanging, 50_000)

    with RunningPump(some.sessions, BOX, drain_s=0.1):
        eventually(lambda: some.receivers.received("/hangs"))
        some.tell(other, next_attempt_at=datetime.now(UTC))
        eventually(lambda: some.receivers.received("/other"), within_s=5)

    assert len(some.receivers.received("/hangs")) <= IN_FLIGHT


def test_what_waits_behind_a_paused_endpoint_is_found_and_it_too_when_it_is_resumed(
    subscribers: Making,
) -> None:
    some = subscribers()
    paused, other = some.subscribe("/paused"), some.subscribe("/other", host=2)
    in_one_shard(some)
    let_wait(some, paused, 2 * WALK + 10)
    some.tell(other)
    with some.sessions.begin() as session:
        is_paused = EndpointRow.id == paused
        session.execute(update(EndpointRow).where(is_paused).values(paused_at=func.now()))
        is_behind = DeliveryRow.endpoint_id == other
        long_ago = func.now() - timedelta(minutes=1)
        session.execute(update(DeliveryRow).where(is_behind).values(next_attempt_at=long_ago))

    with RunningPump(some.sessions, BOX):
        eventually(lambda: some.receivers.received("/other"))
        with some.sessions.begin() as session:
            session.execute(update(EndpointRow).values(paused_at=None))
        eventually(lambda: some.receivers.received("/paused"))


def test_a_takedown_goes_before_what_waits_for_the_same_endpoint(subscribers: Making) -> None:
    some = subscribers(lambda _: Reply(after_s=0.05))
    reader = some.subscribe(max_in_flight=1)
    for _ in range(30):
        some.tell(reader)
    with RunningPump(some.sessions, BOX):
        eventually(some.receivers.received)
        notice = some.tell(reader, urgent=True, next_attempt_at=datetime.now(UTC))
        eventually(lambda: some.all_are(SUCCEEDED), within_s=20)

    came = [one.headers["webhook-id"] for one in some.receivers.received()]
    assert came.index(message_name(notice)) < 20


def test_endpoints_with_and_without_a_backlog_take_turns(database: Sessions) -> None:
    some = Subscribers(database)
    busy, quick = some.subscribe(max_in_flight=50), some.subscribe()
    for _ in range(20):
        some.tell(busy)
    some.tell(quick, next_attempt_at=datetime.now(UTC))

    with some.sessions.begin() as session:
        leases = beat(session, new_id(), in_flight=0, busy=(), started=time.monotonic()).leases
        room = Room(slots=4, backlogged=[busy])
        found = claim(session, leases, room, box=BOX, now=datetime.now(UTC))

    assert Counter(one.endpoint_id for one in found.deliveries) == {busy: 3, quick: 1}


def test_endpoints_with_a_backlog_take_turns_among_themselves(database: Sessions) -> None:
    some = Subscribers(database)
    busy = [some.subscribe() for _ in range(3)]
    for endpoint in busy:
        for _ in range(5):
            some.tell(endpoint)

    with some.sessions.begin() as session:
        leases = beat(session, new_id(), in_flight=0, busy=(), started=time.monotonic()).leases
        room = Room(slots=6, backlogged=busy)
        found = claim(session, leases, room, box=BOX, now=datetime.now(UTC))

    assert Counter(one.endpoint_id for one in found.deliveries) == dict.fromkeys(busy, 2)


def test_what_waits_for_a_disabled_endpoint_is_held_and_delays_nobody(
    subscribers: Making, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "SLICE", 500)
    looks: list[Claim] = []

    def look(*asked: Any, **kept: Any) -> Claim:
        looks.append(claim(*asked, **kept))
        return looks[-1]

    monkeypatch.setattr(pump, "claim", look)
    some = subscribers()
    disabled, other = some.subscribe("/disabled"), some.subscribe("/other", host=2)
    in_one_shard(some)
    let_wait(some, disabled, 5_000)
    some.tell(other, next_attempt_at=datetime.now(UTC))
    with some.sessions.begin() as session:
        is_disabled = EndpointRow.id == disabled
        session.execute(update(EndpointRow).where(is_disabled).values(enabled=False))

    with RunningPump(some.sessions, BOX):
        eventually(lambda: some.receivers.received("/other"), within_s=20)
        eventually(lambda: some.states() == {HELD: 5_000, SUCCEEDED: 1}, within_s=20)

    assert some.receivers.received("/disabled") == []
    # A look holds a slice, not the few rows that it has met.
    assert sum(bool(one.ended) for one in looks) <= 5_000 // 500
