"""A receiver that says `Retry-After` is sent nothing for so long, whatever it is owed; others are."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from uuid import UUID

import pytest
from sqlalchemy import func, update

from publisher.notify.outcome import DeliveryState
from publisher.schema import EndpointRow
from tests.receivers import Received, Reply
from tests.stages.listening import Listening, Making
from tests.stages.pumps import RunningPump
from tests.stages.subscribers import BOX
from tests.waiting import eventually

SUCCEEDED = DeliveryState.SUCCEEDED
# Between an answer and a look at what came of it, on a machine that is busy.
_LOOKED_WITHIN = timedelta(seconds=30)


def seconds_from_now(seconds: float) -> str:
    """Return an instant as HTTP writes it."""
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


def busy(subscribers: Making, retry_after: str, *, status: int = 429) -> Listening:
    """Return receivers of which `/busy` wants to be left alone."""

    def answer(received: Received) -> Reply:
        wants = received.path == "/busy"
        return Reply(status=status, headers={"retry-after": retry_after}) if wants else Reply()

    return subscribers(answer)


def silent_for(some: Listening, endpoint_id: UUID) -> timedelta | None:
    """Return for how much longer nothing is sent to an endpoint."""
    until = some.endpoint(endpoint_id).paused_until
    return None if until is None else until - datetime.now(UTC)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("in_seconds", [True, False], ids=["seconds", "date"])
def test_no_message_comes_before_its_time_and_others_get_theirs(
    subscribers: Making, in_seconds: bool, status: int
) -> None:
    retry_after = "120" if in_seconds else seconds_from_now(120)
    some = busy(subscribers, retry_after, status=status)
    reader, other = some.subscribe("/busy"), some.subscribe("/other")
    some.tell(reader)

    with RunningPump(some.sessions, BOX):
        eventually(some.attempts)
        some.tell(reader, other)
        eventually(lambda: some.receivers.received("/other"))
        # What was claimed with the first would have come before the second.
        some.tell(other)
        eventually(lambda: len(some.receivers.received("/other")) == 2)

        assert len(some.receivers.received("/busy")) == 1
        (failed,) = [one for one in some.attempts() if one.endpoint_id == reader]
        wished = failed.at + timedelta(seconds=120) if in_seconds else parsedate_to_datetime(retry_after)
        paused_until = some.endpoint(reader).paused_until
        assert paused_until is not None
        assert wished <= paused_until <= wished + _LOOKED_WITHIN
        tried = next(one for one in some.deliveries() if one.endpoint_id == reader and one.attempts)
        assert tried.next_attempt_at is not None
        assert tried.next_attempt_at >= wished

        some.receivers.answer(lambda _: Reply())
        _let_two_minutes_pass(some)
        eventually(lambda: some.all_are(SUCCEEDED))


@pytest.mark.parametrize("retry_after", ["99999999", "Sun, 01 Mar 2099 12:00:00 GMT"])
def test_nobody_is_silent_for_more_than_a_day(subscribers: Making, retry_after: str) -> None:
    some = busy(subscribers, retry_after)
    reader = some.subscribe("/busy")
    some.tell(reader)

    with RunningPump(some.sessions, BOX):
        eventually(some.attempts)

    wait = silent_for(some, reader)
    assert wait is not None
    assert timedelta(days=1) - _LOOKED_WITHIN < wait <= timedelta(days=1)


@pytest.mark.parametrize("retry_after", ["soon", "-5", "1e3", "0", "Sun, 01 Mar 2020 12:00:00 GMT", "١٢٠"])
def test_garbage_and_the_past_are_no_wish(subscribers: Making, retry_after: str) -> None:
    some = busy(subscribers, retry_after)
    reader = some.subscribe("/busy")
    some.tell(reader)

    with RunningPump(some.sessions, BOX):
        eventually(some.attempts)
        first = some.deliveries()[0].next_attempt_at
        some.tell(reader)
        eventually(lambda: len(some.attempts()) == 2)

    assert silent_for(some, reader) is None
    assert first is not None
    assert first - some.attempts()[0].at < timedelta(seconds=6) + _LOOKED_WITHIN


def test_the_longest_of_several_wishes_counts(subscribers: Making) -> None:
    wishes = iter(["5", "600", "60"])
    some = subscribers(
        lambda _: Reply(status=429, headers={"retry-after": next(wishes)}, held=True),
    )
    reader = some.subscribe(max_in_flight=3)
    for _ in range(3):
        some.tell(reader)

    with RunningPump(some.sessions, BOX):
        eventually(lambda: some.receivers.count == 3)
        some.receivers.release()
        eventually(lambda: len(some.attempts()) == 3)

    wait = silent_for(some, reader)
    assert wait is not None
    assert wait > timedelta(seconds=600) - _LOOKED_WITHIN


def test_the_wish_holds_for_the_next_sender(subscribers: Making) -> None:
    some = busy(subscribers, "120")
    reader, other = some.subscribe("/busy"), some.subscribe("/other")
    some.tell(reader)
    with RunningPump(some.sessions, BOX):
        eventually(some.attempts)
    some.tell(reader, other)

    with RunningPump(some.sessions, BOX):
        eventually(lambda: some.receivers.received("/other"))

    assert len(some.receivers.received("/busy")) == 1


def _let_two_minutes_pass(some: Listening) -> None:
    with some.sessions.begin() as session:
        session.execute(update(EndpointRow).values(paused_until=func.now()))
    some.due_in(0)
