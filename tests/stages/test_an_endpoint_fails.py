"""An endpoint that does nothing but fail is left alone, asked now and then, and disabled after five days."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, select, update

from publisher.events import EventType
from publisher.notify.endpoints.disabling import give_up
from publisher.notify.endpoints.endpoint_in import EndpointPatch
from publisher.notify.endpoints.store import change
from publisher.notify.fan_out.message import message_name
from publisher.notify.memory.circuits import LEAST_REQUESTS, UNANSWERED
from publisher.notify.outcome import DeliveryState
from publisher.schema import DeliveryRow, EndpointRow, EventRow
from tests.receivers import Received, Reply
from tests.stages.listening import Listening, Making
from tests.stages.pumps import RunningPump
from tests.stages.subscribers import BOX
from tests.waiting import eventually

PENDING, SUCCEEDED, FAILED = DeliveryState.PENDING, DeliveryState.SUCCEEDED, DeliveryState.FAILED
HELD = DeliveryState.HELD


def set_endpoint(some: Listening, **columns: object) -> None:
    """Change the rows of all endpoints."""
    with some.sessions.begin() as session:
        session.execute(update(EndpointRow).values(**columns))


def days_ago(days: float) -> datetime:
    """Return an instant of the past."""
    return datetime.now(UTC) - timedelta(days=days)


def told_of_disabling(some: Listening) -> list[str]:
    """Return the reasons of which whoever asks for such news is told."""
    told = select(EventRow.data["reason"].astext).where(EventRow.type == EventType.ENDPOINT_DISABLED)
    with some.sessions() as session:
        return list(session.scalars(told))


def unreachable(some: Listening, *, messages: int) -> UUID:
    """Owe messages to an endpoint where nobody listens."""
    with some.sessions.begin() as session:
        reader = some.subscribe()
        session.execute(update(EndpointRow).values(url="http://127.0.0.1:9/", max_in_flight=1))
    for _ in range(messages):
        some.tell(reader)
    return reader


def test_a_circuit_opens_and_no_attempt_of_what_waits_is_used_up(subscribers: Making) -> None:
    some = subscribers()
    reader = unreachable(some, messages=UNANSWERED + 10)

    with RunningPump(some.sessions, BOX):
        eventually(lambda: some.endpoint(reader).breaks == 1)
        other = some.subscribe("/other")
        some.tell(other)
        eventually(lambda: some.receivers.received("/other"))

    tried = sorted(one.attempts for one in some.deliveries() if one.endpoint_id == reader)
    assert tried == [0] * 10 + [1] * UNANSWERED
    assert len([one for one in some.attempts() if one.endpoint_id == reader]) == UNANSWERED
    endpoint = some.endpoint(reader)
    assert endpoint.broken_until is not None
    assert endpoint.enabled


def test_one_probe_goes_and_what_waits_follows_when_it_succeeds(subscribers: Making) -> None:
    some = subscribers(lambda _: Reply(after_s=0.3))
    reader = some.subscribe()
    for _ in range(12):
        some.tell(reader)
    set_endpoint(some, breaks=3, broken_until=days_ago(1))

    with RunningPump(some.sessions, BOX):
        eventually(lambda: some.all_are(SUCCEEDED))

    first, second, *_ = [one.at for one in some.receivers.received()]
    assert second - first >= 0.29
    assert (some.endpoint(reader).breaks, some.endpoint(reader).broken_until) == (0, None)


def test_a_probe_that_fails_opens_it_for_longer(subscribers: Making) -> None:
    some = subscribers(lambda _: Reply(status=500))
    reader = some.subscribe()
    for _ in range(5):
        some.tell(reader)
    set_endpoint(some, breaks=3, broken_until=days_ago(1))

    with RunningPump(some.sessions, BOX):
        eventually(lambda: some.endpoint(reader).breaks == 4)

    assert len(some.attempts()) == 1
    with some.sessions() as session:
        waits = session.scalar(select(EndpointRow.broken_until - func.now()))
    assert waits is not None
    assert timedelta(seconds=200) < waits <= timedelta(seconds=240)


def test_a_circuit_that_another_sender_opened_is_open(subscribers: Making) -> None:
    some = subscribers()
    reader, other = some.subscribe("/broken"), some.subscribe("/other", host=2)
    set_endpoint(some, breaks=1, broken_until=datetime.now(UTC) + timedelta(minutes=5))
    with some.sessions.begin() as session:
        session.execute(
            update(EndpointRow).where(EndpointRow.id == other).values(breaks=0, broken_until=None)
        )
    some.tell(reader, other)

    with RunningPump(some.sessions, BOX):
        eventually(lambda: some.receivers.received("/other"))

    assert some.receivers.received("/broken") == []


def test_what_somebody_asks_to_be_sent_now_is_a_probe(subscribers: Making) -> None:
    some = subscribers()
    reader = some.subscribe()
    set_endpoint(some, breaks=2, broken_until=datetime.now(UTC) + timedelta(minutes=5))
    some.tell(reader)
    asked_for = message_name(some.tell(reader, trigger="manual"))

    with RunningPump(some.sessions, BOX):
        eventually(lambda: some.all_are(SUCCEEDED))

    assert some.receivers.received()[0].headers["webhook-id"] == asked_for
    assert some.endpoint(reader).breaks == 0


def test_since_when_an_endpoint_fails_is_known_until_it_succeeds(subscribers: Making) -> None:
    some = subscribers(lambda _: Reply(status=500))
    reader = some.subscribe()
    some.tell(reader)
    with RunningPump(some.sessions, BOX):
        eventually(some.attempts)
        failing = some.endpoint(reader)
        assert failing.failing_since is not None
        assert failing.failed_at == failing.failing_since

        some.receivers.answer(lambda _: Reply())
        some.due_in(0)
        eventually(lambda: some.all_are(SUCCEEDED))

    assert (some.endpoint(reader).failing_since, some.endpoint(reader).failed_at) == (None, None)


def test_after_five_days_of_failures_an_endpoint_is_disabled_and_told_of_once(subscribers: Making) -> None:
    some = subscribers(lambda _: Reply(status=500, after_s=0.2))
    reader = some.subscribe(max_in_flight=20)
    for _ in range(20):
        some.tell(reader)
    set_endpoint(some, failing_since=days_ago(5.1), failed_at=days_ago(1))

    with RunningPump(some.sessions, BOX):
        eventually(lambda: not some.endpoint(reader).enabled)
        eventually(lambda: some.all_are(HELD))

    assert some.endpoint(reader).disabled_reason == "failing"
    assert told_of_disabling(some) == ["failing"]


@pytest.mark.parametrize(
    ("failing_since", "failed_at"),
    [
        (days_ago(4.9), days_ago(1)),  # not for long enough
        (days_ago(6), days_ago(5.9)),  # failures that lie close together say little
        (None, None),
    ],
)
def test_an_endpoint_that_fails_for_less_stays_enabled(
    subscribers: Making, failing_since: datetime | None, failed_at: datetime | None
) -> None:
    some = subscribers(lambda _: Reply(status=500))
    reader = some.subscribe()
    some.tell(reader)
    set_endpoint(some, failing_since=failing_since, failed_at=failed_at)

    with RunningPump(some.sessions, BOX):
        eventually(some.attempts)

    assert some.endpoint(reader).enabled
    assert told_of_disabling(some) == []


def test_whoever_has_succeeded_meanwhile_is_not_given_up(subscribers: Making) -> None:
    some = subscribers()
    reader = some.subscribe()

    with some.sessions.begin() as session:
        assert not give_up(session, reader)

    set_endpoint(some, failing_since=days_ago(6), failed_at=days_ago(1))
    with some.sessions.begin() as session:
        assert give_up(session, reader)


def test_a_success_in_between_begins_the_five_days_anew(subscribers: Making) -> None:
    some = subscribers()
    reader = some.subscribe()
    set_endpoint(some, failing_since=days_ago(10), failed_at=days_ago(1))
    with RunningPump(some.sessions, BOX):
        some.tell(reader)
        eventually(lambda: some.all_are(SUCCEEDED))
        some.receivers.answer(lambda _: Reply(status=500))
        some.tell(reader)
        eventually(lambda: len(some.attempts()) == 2)

    endpoint = some.endpoint(reader)
    assert endpoint.enabled
    assert endpoint.failing_since is not None
    assert endpoint.failing_since > days_ago(1)


def test_who_enables_an_endpoint_again_gives_it_another_five_days(subscribers: Making) -> None:
    some = subscribers()
    reader = some.subscribe()
    set_endpoint(
        some,
        enabled=False,
        failing_since=days_ago(9),
        failed_at=days_ago(1),
        breaks=7,
        broken_until=days_ago(-1),
    )

    with some.sessions.begin() as session:
        change(session, reader, EndpointPatch(enabled=True))

    row = some.endpoint(reader)
    assert (row.failing_since, row.failed_at, row.breaks, row.broken_until) == (None, None, 0, None)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(status=429, headers={"retry-after": "120"}),
        Reply(status=410),
        Reply(status=200, headers={"webhook-delivery": "disable"}),
    ],
)
def test_from_the_answer_on_nothing_is_sent_to_whoever_asks_for_silence(
    subscribers: Making, reply: Reply
) -> None:
    some = subscribers(lambda one: reply if one.path == "/silent" else Reply())
    silent, other = some.subscribe("/silent", max_in_flight=1), some.subscribe("/other", host=2)
    for _ in range(20):
        some.tell(silent)
    with RunningPump(some.sessions, BOX):
        eventually(some.attempts)
        some.tell(other)
        eventually(lambda: some.receivers.received("/other"))

    assert len(some.receivers.received("/silent")) == 1


@pytest.mark.parametrize("status", [200, 503])
def test_a_receiver_may_ask_to_be_disabled(subscribers: Making, status: int) -> None:
    some = subscribers(lambda _: Reply(status=status, headers={"webhook-delivery": "disable"}))
    reader = some.subscribe()
    some.tell(reader)

    with RunningPump(some.sessions, BOX):
        eventually(lambda: not some.endpoint(reader).enabled)
        eventually(lambda: some.all_are(SUCCEEDED if status == 200 else HELD))

    assert some.endpoint(reader).disabled_reason == "declined"
    assert told_of_disabling(some) == ["declined"]


def test_a_receiver_that_declines_messages_is_not_broken(subscribers: Making) -> None:
    some = subscribers(lambda _: Reply(status=422, headers={"webhook-delivery": "abort-message"}))
    reader = some.subscribe()
    for _ in range(LEAST_REQUESTS + 5):
        some.tell(reader)

    with RunningPump(some.sessions, BOX):
        eventually(lambda: some.all_are(FAILED))

    assert some.endpoint(reader).breaks == 0


def test_a_receiver_may_end_the_attempts_of_one_message_only(subscribers: Making) -> None:
    def answering(one: Received) -> Reply:
        ends = one.path == "/reader" and one.headers["webhook-id"] == aborted
        return Reply(status=422, headers={"webhook-delivery": "abort-message"} if ends else {})

    some = subscribers(answering)
    reader, other = some.subscribe("/reader"), some.subscribe("/other", host=2)
    aborted = message_name(some.tell(reader, other))
    some.tell(reader)
    with RunningPump(some.sessions, BOX):
        eventually(lambda: len(some.attempts()) == 3)
        assert some.states() == {FAILED: 1, PENDING: 2}

        some.receivers.answer(lambda _: Reply())
        some.due_in(0)
        some.tell(reader)
        eventually(lambda: some.states() == {FAILED: 1, SUCCEEDED: 3})

    assert some.endpoint(reader).enabled
    with some.sessions() as session:
        assert session.scalar(select(DeliveryRow.attempts).where(DeliveryRow.state == FAILED)) == 1
