"""The pump: what is due arrives, signed, once; what fails comes again; what may not be sent is not."""

import itertools
import json
import logging
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import structlog
from sqlalchemy import Engine, Select, func, select, text, update
from sqlalchemy.exc import OperationalError
from standardwebhooks.webhooks import Webhook
from structlog.testing import capture_logs

from publisher.database import Sessions
from publisher.notify.claimed import Claimed
from publisher.notify.claiming.claim import Claim, claim
from publisher.notify.endpoints.disabling import disable
from publisher.notify.endpoints.store import remove, rotate_secret
from publisher.notify.outcome import DeliveryState
from publisher.notify.pump import pump
from publisher.notify.pump.in_hand import InHand
from publisher.notify.pump.observer import Observer
from publisher.notify.recording.report import Report
from publisher.notify.secrets.box import show_secret
from publisher.notify.shards import leases
from publisher.schema import (
    DeliveryRow,
    EndpointRow,
    SenderRow,
    ShardLeaseRow,
)
from tests.receivers import Received, Reply
from tests.stages.listening import Making
from tests.stages.pumps import RunningPump
from tests.stages.subscribers import BODY, BOX, leases_end
from tests.waiting import eventually

PENDING, SUCCEEDED, FAILED = DeliveryState.PENDING, DeliveryState.SUCCEEDED, DeliveryState.FAILED
HELD, CANCELLED = DeliveryState.HELD, DeliveryState.CANCELLED
_SOON = timedelta(seconds=0.5)


def verified(received: Received, secret: bytes) -> object:
    """Return the webhook's body, checked by the reference library."""
    return Webhook(show_secret(secret)).verify(received.body, dict(received.headers))


def shards_of(sessions: Sessions) -> Counter[UUID | None]:
    with sessions() as session:
        return Counter(session.scalars(select(ShardLeaseRow.holder)))


def test_what_is_due_arrives_signed(subscribers: Making) -> None:
    some = subscribers()
    reader = some.subscribe("/hook")
    message = some.tell(reader)

    with RunningPump(some.sessions, BOX):
        eventually(lambda: some.all_are(SUCCEEDED))

    (received,) = some.receivers.received()
    assert verified(received, some.secrets[reader]) == json.loads(BODY)
    assert received.path == "/hook"
    assert received.body == BODY
    assert received.headers["webhook-id"] == f"msg_{message.hex}"
    assert received.headers["publisher-sequence"] == "4"
    assert received.headers["content-type"] == "application/json"
    assert received.headers["user-agent"].startswith("publisher/")


def test_every_attempt_is_on_record(subscribers: Making) -> None:
    some = subscribers(lambda _: Reply(status=201, body="đã nhận\x00\n".encode() + b"\xff"))
    reader = some.subscribe("/hook")
    some.tell(reader, trigger="replay")

    with RunningPump(some.sessions, BOX):
        eventually(lambda: some.all_are(SUCCEEDED))

    (attempt,) = some.attempts()
    (delivery,) = some.deliveries()
    assert (attempt.number, attempt.trigger, attempt.status, attempt.error) == (1, "replay", 201, None)
    assert (attempt.address, attempt.url) == ("127.0.0.1", some.receivers.url("/hook"))
    assert attempt.response_body == "đã nhận\ufffd\n\ufffd"
    assert (delivery.attempts, delivery.last_status, delivery.trigger) == (1, 201, "auto")
    assert delivery.next_attempt_at is None


@pytest.fixture
def every_line() -> Iterator[None]:
    """Log what processes keep to themselves, too."""
    before = structlog.get_config()["wrapper_class"]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG))
    yield
    structlog.configure(wrapper_class=before)


@pytest.mark.usefixtures("every_line")
def test_failed_attempts_are_logged_aloud_and_others_are_not(subscribers: Making) -> None:
    replies = iter([Reply(status=503, body=b"what the receiver says"), Reply()])
    some = subscribers(lambda _: next(replies))
    reader = some.subscribe()
    some.tell(reader)

    with capture_logs() as logs, RunningPump(some.sessions, BOX):
        eventually(some.attempts)
        some.due_in(0.0)
        eventually(lambda: some.all_are(SUCCEEDED))

    (delivery,) = some.deliveries()
    told = [dict(one) for one in logs if one["event"] == "delivery.attempted"]
    assert [(one["log_level"], one["status"], one["attempt"]) for one in told] == [
        ("info", 503, 1),
        ("debug", 204, 2),
    ]
    assert {(one["delivery_id"], one["endpoint_id"]) for one in told} == {(str(delivery.id), str(reader))}
    assert "what the receiver says" not in str(told)


def test_why_no_answer_came_is_logged(subscribers: Making) -> None:
    some = subscribers(lambda _: Reply(after_s=5.0))
    some.tell(some.subscribe(timeout_s=1))

    with capture_logs() as logs, RunningPump(some.sessions, BOX):
        eventually(some.attempts)

    (told,) = [one for one in logs if one["event"] == "delivery.attempted"]
    assert (told["log_level"], told["status"], told["error"]) == ("info", None, "timeout")
    assert told["detail"] == "no complete answer within 1 s"
    assert told["ms"] >= 990  # uvloop counts in milliseconds and may ring one early


def test_a_failed_attempt_comes_again_with_the_same_id_and_body_and_a_new_timestamp(
    subscribers: Making,
) -> None:
    replies = iter([Reply(status=500), Reply()])
    some = subscribers(lambda _: next(replies))
    reader = some.subscribe()
    some.tell(reader)

    with RunningPump(some.sessions, BOX):
        eventually(some.attempts)
        (failed,) = some.deliveries()
        some.due_in(1.0)
        eventually(lambda: some.all_are(SUCCEEDED))

    first, second = some.receivers.received()
    assert (first.headers["webhook-id"], first.body) == (second.headers["webhook-id"], second.body)
    assert int(first.headers["webhook-timestamp"]) < int(second.headers["webhook-timestamp"])
    assert verified(second, some.secrets[reader])
    assert (failed.state, failed.last_status) == (PENDING, 500)
    assert [attempt.number for attempt in some.attempts()] == [1, 2]


def test_an_observer_that_fails_changes_nothing_of_what_is_sent_and_recorded(subscribers: Making) -> None:
    class NotCountedError(Exception):
        pass

    class Failing(Observer):
        def beats(self, in_hand: InHand, *, shards: int) -> None:
            raise NotCountedError

        def begins(self, claimed: Claimed) -> str | None:
            raise NotCountedError

        def ended(self, report: Report) -> None:
            raise NotCountedError

        def recorded(self, reports: Sequence[Report], *, not_ours: int) -> None:
            raise NotCountedError

    some = subscribers()
    readers = [some.subscribe(f"/{number}") for number in range(5)]
    for _ in range(3):
        some.tell(*readers)

    with capture_logs() as logs, RunningPump(some.sessions, BOX, observer=Failing()):
        eventually(lambda: some.all_are(SUCCEEDED))

    assert len(some.receivers.received()) == len(some.attempts()) == 15
    failed = [one["observer"] for one in logs if one["event"] == "observer.failed"]
    assert sorted(failed) == ["Failing.beats", "Failing.begins", "Failing.ended", "Failing.recorded"]


def test_both_secrets_sign_while_a_rotation_lasts(subscribers: Making) -> None:
    some = subscribers()
    reader = some.subscribe()
    with some.sessions.begin() as session:
        new, _ = rotate_secret(session, reader, box=BOX, at=datetime.now(UTC))
    some.tell(reader)

    with RunningPump(some.sessions, BOX):
        eventually(lambda: some.all_are(SUCCEEDED))

    (received,) = some.receivers.received()
    assert verified(received, some.secrets[reader]) == verified(received, new)


def test_what_can_never_be_sent_is_put_aside(subscribers: Making) -> None:
    some = subscribers()
    disabled, deleted, healthy = some.subscribe(), some.subscribe(), some.subscribe()
    with some.sessions.begin() as session:
        disable(session, disabled, "manual")
        remove(session, deleted)
    some.tell(disabled, deleted)
    some.tell(healthy, body=None)

    with RunningPump(some.sessions, BOX):
        eventually(lambda: some.states() == {HELD: 1, CANCELLED: 2})

    assert some.receivers.received() == []


def test_an_endpoint_never_gets_more_requests_at_a_time_than_it_takes(subscribers: Making) -> None:
    some = subscribers(lambda _: Reply(after_s=0.05))
    reader = some.subscribe(max_in_flight=2)
    for _ in range(9):
        some.tell(reader)

    with RunningPump(some.sessions, BOX):
        eventually(lambda: some.all_are(SUCCEEDED))

    begun = sorted(one.at for one in some.receivers.received())
    assert len(begun) == 9
    assert all(later - earlier > 0.045 for earlier, later in zip(begun, begun[2:], strict=False))


def test_a_slow_endpoint_keeps_nobody_waiting(subscribers: Making) -> None:
    some = subscribers(lambda one: Reply(after_s=3.0 if one.path == "/slow" else 0.0))
    slow, quick = some.subscribe("/slow"), some.subscribe("/quick")
    for _ in range(30):
        some.tell(slow)
    with RunningPump(some.sessions, BOX, drain_s=0.1):
        eventually(lambda: len(some.receivers.received("/slow")) == 10)
        some.tell(quick)
        asked = time.monotonic()

        eventually(lambda: some.receivers.received("/quick"))

    assert some.receivers.received("/quick")[0].at - asked < 1.0
    assert len(some.receivers.received("/slow")) == 10


def test_two_pumps_share_the_shards_and_deliver_everything_once(subscribers: Making) -> None:
    some = subscribers(lambda _: Reply(after_s=0.01))
    readers = [some.subscribe(f"/{number}", host=number + 1) for number in range(200)]
    with RunningPump(some.sessions, BOX) as first, RunningPump(some.sessions, BOX) as second:
        eventually(lambda: shards_of(some.sessions) == {first.id: 32, second.id: 32})

        for _ in range(5):
            some.tell(*readers)
        eventually(lambda: some.all_are(SUCCEEDED), within_s=30)

    assert len(some.receivers.received()) == 1_000
    assert len(some.attempts()) == 1_000


def test_a_second_pump_that_starts_in_the_middle_repeats_nothing(subscribers: Making) -> None:
    some = subscribers(lambda _: Reply(after_s=0.2))
    readers = [some.subscribe(f"/{number}", max_in_flight=1) for number in range(100)]
    for _ in range(15):
        some.tell(*readers)

    with RunningPump(some.sessions, BOX) as first:
        eventually(lambda: some.states()[SUCCEEDED] > 100)
        with RunningPump(some.sessions, BOX) as second:
            eventually(lambda: shards_of(some.sessions) == {first.id: 32, second.id: 32})
            eventually(lambda: some.all_are(SUCCEEDED), within_s=30)

    assert len(some.receivers.received()) == 1_500


def test_what_waits_to_be_recorded_keeps_nobody_waiting(subscribers: Making) -> None:
    some = subscribers()
    slow, others = some.subscribe("/slow"), [some.subscribe("/quick", host=number) for number in range(2, 12)]
    with RunningPump(some.sessions, BOX), some.sessions.begin() as holder:
        delivery = DeliveryRow.message_id == some.tell(slow, next_attempt_at=datetime.now(UTC) + _SOON)
        holder.execute(select(DeliveryRow.id).where(delivery).with_for_update())
        eventually(lambda: some.receivers.received("/slow"))

        for number, other in enumerate(others, start=1):
            some.tell(other)
            # Longer than a beat in all, shorter than a lock is waited for.
            eventually(lambda so_far=number: len(some.receivers.received("/quick")) == so_far, within_s=3)  # type: ignore[misc]
            time.sleep(0.15)


def has_heard_of(sessions: Sessions, newcomer: UUID) -> None:
    """Wait until every sender has looked twice since one came, so that it knows who slow is, too."""
    for _ in range(2):
        with sessions() as session:
            now = session.scalar(select(func.now()))
        looked = select(func.count()).where(SenderRow.beat_at > now)

        def all_have(count: Select[int] = looked) -> bool:
            with sessions() as session:
                return newcomer is not None and session.scalar(count) == 2

        eventually(all_have)


def test_while_a_shard_cannot_go_since_somebody_hangs_the_others_in_it_are_sent_what_is_new(
    subscribers: Making,
) -> None:
    some = subscribers(lambda one: Reply(after_s=30.0 if one.path == "/hangs" else 0.0))
    hanging = [some.subscribe("/hangs", host=1 + number) for number in range(64)]
    healthy = [some.subscribe("/healthy", host=100 + number) for number in range(64)]
    with some.sessions.begin() as session:
        for shard, pair in enumerate(zip(hanging, healthy, strict=True)):
            session.execute(update(EndpointRow).where(EndpointRow.id.in_(pair)).values(shard=shard))
    some.tell(*hanging)

    with RunningPump(some.sessions, BOX, drain_s=0.1):
        eventually(lambda: len(some.receivers.received("/hangs")) == 64)
        with RunningPump(some.sessions, BOX, drain_s=0.1) as second:
            has_heard_of(some.sessions, second.id)
            some.tell(*healthy)
            eventually(lambda: len(some.receivers.received("/healthy")) == 64, within_s=8)
            assert shards_of(some.sessions)[second.id] < 32


def test_what_a_killed_pump_had_in_flight_is_sent_again_under_the_same_id(subscribers: Making) -> None:
    begun = itertools.count(1)
    some = subscribers(lambda _: Reply(after_s=30.0 if next(begun) <= 5 else 0.0))
    readers = [some.subscribe(f"/{number}") for number in range(5)]
    some.tell(*readers)
    with RunningPump(some.sessions, BOX) as killed:
        eventually(lambda: len(some.receivers.received()) == 5)
        killed.crash()
    leases_end(some.sessions, killed.id)

    with RunningPump(some.sessions, BOX):
        eventually(lambda: some.all_are(SUCCEEDED))

    received = some.receivers.received()
    assert len(received) == 10
    assert len({one.headers["webhook-id"] for one in received}) == 1
    assert Counter(one.path for one in received) == {f"/{number}": 2 for number in range(5)}


def test_a_dead_pumps_shards_are_taken_over_when_their_leases_end(subscribers: Making) -> None:
    some = subscribers()
    reader = some.subscribe()
    with RunningPump(some.sessions, BOX) as killed:
        eventually(lambda: shards_of(some.sessions) == {killed.id: 64})
        killed.crash()
    some.tell(reader)
    asked = time.monotonic()

    with RunningPump(some.sessions, BOX):
        eventually(lambda: some.all_are(SUCCEEDED), within_s=9)

    assert some.receivers.received()[0].at - asked < 8.0


def test_a_pump_that_is_told_to_stop_finishes_what_it_has_begun(subscribers: Making) -> None:
    some = subscribers(lambda _: Reply(after_s=0.5))
    some.tell(some.subscribe())
    with RunningPump(some.sessions, BOX) as stopped:
        eventually(some.receivers.received)

        stopped.stop()

        assert some.all_are(SUCCEEDED)
        assert shards_of(some.sessions) == {None: 64}


def test_a_pump_that_is_told_to_stop_begins_nothing_and_leaves_the_rest_due(subscribers: Making) -> None:
    some = subscribers(lambda _: Reply(held=True))
    reader = some.subscribe(max_in_flight=1)
    for _ in range(5):
        some.tell(reader)
    with RunningPump(some.sessions, BOX) as stopped:
        eventually(some.receivers.received)
        stopping = threading.Thread(target=stopped.stop)
        stopping.start()
        # From then on, it is known that it is to stop.
        eventually(lambda: shards_of(some.sessions)[None] == 63)
        some.tell(reader)

        some.receivers.answer(lambda _: Reply())
        some.receivers.release()
        stopping.join()

    assert len(some.receivers.received()) == 1
    assert some.states() == {SUCCEEDED: 1, PENDING: 5}
    assert {one.attempts for one in some.deliveries() if one.state == PENDING} == {0}
    assert shards_of(some.sessions) == {None: 64}


def test_what_a_stopping_pump_cannot_finish_stays_due(subscribers: Making) -> None:
    some = subscribers(lambda _: Reply(after_s=20.0))
    some.tell(some.subscribe())
    with RunningPump(some.sessions, BOX, drain_s=0.2) as stopped:
        eventually(some.receivers.received)

        stopped.stop()

    (delivery,) = some.deliveries()
    assert (delivery.state, delivery.attempts) == (PENDING, 0)
    assert shards_of(some.sessions) == {None: 64}


def _waiting_for_locks(engine: Engine) -> int:
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    # A transaction of its own each time: within one, PostgreSQL shows the same picture again.
    with engine.connect() as looking:
        return looking.scalar(waiting) or 0


def test_outcomes_are_kept_while_the_database_is_away(subscribers: Making, engine: Engine) -> None:
    some = subscribers(lambda _: Reply(after_s=0.3))
    some.tell(some.subscribe())
    with RunningPump(some.sessions, BOX):
        eventually(some.receivers.received)
        with engine.connect() as blocking:
            blocking.execute(text("LOCK TABLE delivery IN EXCLUSIVE MODE"))
            eventually(lambda: _waiting_for_locks(engine))
            others = "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
            kill = f"SELECT pg_terminate_backend(pid) FROM ({others}) AS one WHERE pid <> pg_backend_pid()"
            blocking.execute(text(kill))
            blocking.rollback()

        def all_are_recorded() -> bool:
            with suppress(OperationalError):  # of our own connection, which was ended, too
                return some.all_are(SUCCEEDED)
            return False

        eventually(all_are_recorded)

    assert len(some.receivers.received()) == 1
    assert len(some.attempts()) == 1


def test_nothing_is_sent_under_a_lease_that_ran_out_since_the_claim(
    subscribers: Making, monkeypatch: pytest.MonkeyPatch
) -> None:
    some = subscribers()
    some.tell(some.subscribe())
    monkeypatch.setattr(leases, "LEASE", timedelta(seconds=1))
    claimed_at: list[float] = []

    def slow_at_first(*args: Any, **names: Any) -> Claim:
        found = claim(*args, **names)
        if found.deliveries:
            claimed_at.append(time.monotonic())
            time.sleep(1.0 if len(claimed_at) == 1 else 0.0)
        return found

    monkeypatch.setattr(pump, "claim", slow_at_first)
    with RunningPump(some.sessions, BOX):
        eventually(lambda: some.all_are(SUCCEEDED))

    (received,) = some.receivers.received()
    assert len(claimed_at) == 2
    assert received.at > claimed_at[1]
