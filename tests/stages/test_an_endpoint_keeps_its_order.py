"""An endpoint with `fifo` gets one message after the other, in the order in which they happened."""

import itertools
import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, func, insert, text, update

from publisher.events import EventType
from publisher.notify.fan_out.message import message_name
from publisher.notify.outcome import DeliveryState
from publisher.schema import EndpointRow, EventTaskRow
from tests.receivers import Received, Reply
from tests.stages.listening import Listening, Making
from tests.stages.pumps import RunningPump, SeveralPumps
from tests.stages.subscribers import BOX
from tests.waiting import eventually

SUCCEEDED, FAILED = DeliveryState.SUCCEEDED, DeliveryState.FAILED
MESSAGES, HANDOVERS = 1_000, 4
_AT_ONCE = """
CREATE FUNCTION at_once() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN NEW.next_attempt_at = least(NEW.next_attempt_at, now()); RETURN NEW; END $$;
CREATE TRIGGER at_once BEFORE UPDATE ON delivery
    FOR EACH ROW WHEN (NEW.state = 'pending') EXECUTE FUNCTION at_once()
"""


def names(some: Listening, path: str | None = None) -> list[str]:
    """Return which messages arrived, in the order in which they did."""
    return [one.headers["webhook-id"] for one in some.receivers.received(path)]


def statuses() -> Iterator[int]:
    """Yield what a receiver answers: a third fails, but never so many of ten that its circuit opens."""
    chance = random.Random(4)
    while True:
        yield from chance.sample([500, 204], 10, counts=[3, 7])


@contextmanager
def retries_at_once(some: Listening) -> Iterator[None]:
    """Let what failed come due again at once, not after its pause."""
    with some.sessions.begin() as session:
        session.execute(text(_AT_ONCE))
    try:
        yield
    finally:
        with some.sessions.begin() as session:
            session.execute(text("DROP FUNCTION at_once CASCADE"))


def test_all_come_in_order_although_a_third_fails_and_four_senders_come_and_go(subscribers: Making) -> None:
    answers = statuses()
    some = subscribers(lambda _: Reply(status=next(answers)))
    reader = some.subscribe(fifo=True)
    messages = [message_name(some.tell(reader)) for _ in range(MESSAGES)]

    with retries_at_once(some), SeveralPumps(some.sessions, BOX) as pumps:
        for number in range(1, HANDOVERS + 1):
            share = number * MESSAGES // (HANDOVERS + 2)
            eventually(lambda share=share: some.states()[SUCCEEDED] > share, within_s=60)  # type: ignore[misc]
            pumps.hand_over(reader, crash=number == HANDOVERS)
        eventually(lambda: some.all_are(SUCCEEDED), within_s=60)

    came = names(some)
    assert len(came) > MESSAGES
    # Repeats follow each other: nothing came between a message that failed and its next attempt.
    assert [name for name, _ in itertools.groupby(came)] == messages


def test_only_one_request_is_under_way_at_a_time(subscribers: Making) -> None:
    some = subscribers(lambda _: Reply(after_s=0.1))
    reader = some.subscribe(fifo=True, max_in_flight=50)
    for _ in range(8):
        some.tell(reader)

    with RunningPump(some.sessions, BOX):
        eventually(lambda: some.all_are(SUCCEEDED), within_s=20)

    times = [one.at for one in some.receivers.received()]
    assert all(later - earlier >= 0.09 for earlier, later in itertools.pairwise(times))


def test_what_waits_for_its_next_attempt_holds_back_the_rest(subscribers: Making) -> None:
    some = subscribers(lambda _: Reply(status=500))
    reader = some.subscribe("/in-order", fifo=True)
    other = some.subscribe("/other")
    first = message_name(some.tell(reader))
    some.tell(reader)

    with RunningPump(some.sessions, BOX):
        eventually(some.attempts)
        some.receivers.answer(lambda _: Reply())
        some.tell(other)
        eventually(lambda: some.receivers.received("/other"))

    assert [one.headers["webhook-id"] for one in some.receivers.received("/in-order")] == [first]


def test_what_was_given_up_lets_the_next_one_go(subscribers: Making) -> None:
    some = subscribers(lambda one: Reply(status=500 if first in one.headers["webhook-id"] else 204))
    reader = some.subscribe(fifo=True)
    first = message_name(some.tell(reader, attempts=9))
    second = message_name(some.tell(reader))

    with RunningPump(some.sessions, BOX):
        eventually(lambda: set(some.states()) == {FAILED, SUCCEEDED})

    assert names(some) == [first, second]


def outstanding_fan_out(some: Listening, event_id: UUID, *, stuck: bool = False) -> None:
    """Write that a message is yet to be turned into deliveries."""
    with some.sessions.begin() as session:
        session.execute(
            insert(EventTaskRow).values(
                task="fan_out",
                event_id=event_id,
                queue="pipeline",
                type=EventType.ARTICLE_PUBLISHED,
                subject=event_id,
                data={},
                due_at=datetime.now(UTC) + timedelta(minutes=1),
                stuck=stuck,
            )
        )


def test_a_message_waits_for_older_ones_that_are_not_fanned_out_yet(subscribers: Making) -> None:
    some = subscribers()
    in_order, other = some.subscribe("/in-order", fifo=True), some.subscribe("/other")
    older = UUID(int=some.tell(in_order).int - 1)
    outstanding_fan_out(some, older)
    some.tell(other)

    with RunningPump(some.sessions, BOX):
        eventually(lambda: some.receivers.received("/other"))
        assert some.receivers.received("/in-order") == []

        with some.sessions.begin() as session:
            session.execute(update(EventTaskRow).values(stuck=True))
        eventually(lambda: some.receivers.received("/in-order"))


def test_a_message_waits_for_a_replay_that_has_not_come_so_far(subscribers: Making) -> None:
    some = subscribers()
    reader, other = some.subscribe(fifo=True), some.subscribe("/other", fifo=True)
    replayed, newer = some.tell(reader), some.tell(reader, other)
    obligation = {"task": "replay", "type": EventType.REPLAY_REQUESTED, "subject": reader}
    owed = {"event_id": newer, "queue": "pipeline", "data": {"after": str(replayed)}, "due_at": func.now()}
    with some.sessions.begin() as session:
        session.execute(insert(EventTaskRow).values(obligation | owed))

    with RunningPump(some.sessions, BOX):
        eventually(lambda: len(some.receivers.received()) == 2)
        assert names(some, "/") == [message_name(replayed)]
        assert names(some, "/other") == [message_name(newer)]

        with some.sessions.begin() as session:
            session.execute(delete(EventTaskRow))
        eventually(lambda: names(some, "/") == [message_name(replayed), message_name(newer)])


def test_a_message_that_is_stuck_on_its_way_holds_nobody_back(subscribers: Making) -> None:
    some = subscribers()
    reader = some.subscribe(fifo=True)
    outstanding_fan_out(some, UUID(int=some.tell(reader).int - 1), stuck=True)

    with RunningPump(some.sessions, BOX):
        eventually(lambda: some.all_are(SUCCEEDED))


def test_an_endpoint_that_keeps_no_order_any_more_gets_all_that_waits(subscribers: Making) -> None:
    def answering(one: Received) -> Reply:
        return Reply(status=500 if one.headers["webhook-id"] == first else 204)

    some = subscribers(answering)
    reader = some.subscribe(fifo=True)
    first = message_name(some.tell(reader))
    some.tell(reader)
    with RunningPump(some.sessions, BOX):
        eventually(some.attempts)

        with some.sessions.begin() as session:
            session.execute(update(EndpointRow).values(fifo=False))
        eventually(lambda: some.states()[SUCCEEDED] == 1)
