"""An endpoint with `fifo` gets one message after the other, in the order in which they happened."""

import itertools
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, func, insert, update

from publisher.events import EventType
from publisher.notify.message import message_name
from publisher.notify.outcome import DeliveryState
from publisher.schema import DeliveryRow, EndpointRow, EventTaskRow
from tests.receivers import Received, Reply
from tests.stages.listening import Listening, Making
from tests.stages.pumps import RunningPump
from tests.stages.subscribers import BOX
from tests.waiting import eventually

PENDING, SUCCEEDED, FAILED = DeliveryState.PENDING, DeliveryState.SUCCEEDED, DeliveryState.FAILED


def names(some: Listening, path: str | None = None) -> list[str]:
    """Return which messages arrived, in the order in which they did."""
    return [one.headers["webhook-id"] for one in some.receivers.received(path)]


def arrived(some: Listening) -> list[str]:
    """Return each message once, where it came last."""
    return list(dict.fromkeys(reversed(names(some))))[::-1]


@contextmanager
def retries_come_at_once(some: Listening) -> Iterator[None]:
    """Let what failed come due again within a tenth of a second."""
    over = threading.Event()

    def let_come_due() -> None:
        while not over.wait(0.1):
            with some.sessions.begin() as session:
                waits = (DeliveryRow.state == PENDING) & (DeliveryRow.next_attempt_at > func.now())
                session.execute(update(DeliveryRow).where(waits).values(next_attempt_at=func.now()))

    thread = threading.Thread(target=let_come_due)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_messages_come_in_order_although_a_third_of_the_requests_fails(subscribers: Making) -> None:
    chance = random.Random(4)
    some = subscribers(lambda _: Reply(status=500 if chance.random() < 0.3 else 204))
    reader = some.subscribe(fifo=True)
    messages = [message_name(some.tell(reader)) for _ in range(60)]

    with retries_come_at_once(some), RunningPump(some.sessions, BOX), RunningPump(some.sessions, BOX):
        eventually(lambda: some.all_are(SUCCEEDED), within_s=60)

    came = names(some)
    assert arrived(some) == messages
    # Repeats follow each other: nothing came between a message that failed and its next attempt.
    assert [one for number, one in enumerate(came) if came[:number][-1:] != [one]] == messages


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
