"""What fails is tried again after longer and longer pauses, and given up in the end."""

from collections import Counter
from datetime import timedelta

from sqlalchemy import delete, update

from publisher.notify.history.deliveries import newest_deliveries
from publisher.notify.outcome import DeliveryState
from publisher.notify.replaying.past import Past, Replayable, Window
from publisher.notify.replaying.replay import replay
from publisher.notify.schedule import MAX_ATTEMPTS, PAUSES
from publisher.schema import AttemptRow, EndpointRow
from tests.receivers import Reply
from tests.stages.listening import Listening, Making
from tests.stages.pumps import RunningPump
from tests.stages.subscribers import BOX
from tests.waiting import eventually

SUCCEEDED, FAILED = DeliveryState.SUCCEEDED, DeliveryState.FAILED
# Between the begin of a request and the record of its answer, on a machine that is busy.
_RECORDED_WITHIN = timedelta(seconds=10)
ENDPOINTS, MESSAGES = 100, 10


def waits(some: Listening) -> dict[int, list[timedelta]]:
    """Return how long what failed waits for its next attempt, by the number of the last one."""
    begun = {one.delivery_id: one.at for one in some.attempts()}
    found: dict[int, list[timedelta]] = {}
    for one in some.deliveries():
        assert one.next_attempt_at is not None
        found.setdefault(one.attempts, []).append(one.next_attempt_at - begun[one.id])
    return found


def test_each_next_attempt_is_due_after_its_pause_give_or_take_a_fifth(subscribers: Making) -> None:
    some = subscribers(lambda _: Reply(status=500))
    reader = some.subscribe()
    for attempts in range(len(PAUSES)):
        some.tell(reader, attempts=attempts)

    with RunningPump(some.sessions, BOX):
        eventually(lambda: len(some.attempts()) == len(PAUSES))

    found = waits(some)
    assert sorted(found) == list(range(1, MAX_ATTEMPTS))
    for number, (wait,) in found.items():
        pause = PAUSES[number - 1]
        assert 0.8 * pause <= wait <= 1.2 * pause + _RECORDED_WITHIN


def test_a_thousand_that_fail_together_come_back_spread_out(subscribers: Making) -> None:
    some = subscribers(lambda _: Reply(status=503))
    readers = [some.subscribe(f"/{number}", host=number + 1) for number in range(ENDPOINTS)]
    for _ in range(MESSAGES):
        some.tell(*readers, attempts=1)

    with RunningPump(some.sessions, BOX):
        eventually(lambda: len(some.attempts()) == ENDPOINTS * MESSAGES, within_s=30)

    pause = PAUSES[1]
    (found,) = waits(some).values()
    tenths = Counter(int(10 * (wait - 0.8 * pause) / (0.4 * pause)) for wait in found)
    # A hundred each on average. What was recorded late may lie a little behind the last.
    assert min(tenths[number] for number in range(10)) >= 50
    assert set(tenths) <= set(range(11))


def test_the_attempts_end_and_what_was_given_up_is_shown_and_can_be_sent_again(subscribers: Making) -> None:
    some = subscribers(lambda _: Reply(status=503, body=b"later"))
    reader = some.subscribe()
    some.tell(reader)
    with RunningPump(some.sessions, BOX):
        for number in range(1, MAX_ATTEMPTS + 1):
            eventually(lambda number=number: len(some.attempts()) == number)  # type: ignore[misc]
            some.due_in(0)
        eventually(lambda: some.all_are(FAILED))
        other = some.subscribe("/other")
        some.tell(other)
        eventually(lambda: [one for one in some.attempts() if one.endpoint_id == other])
        assert len([one for one in some.attempts() if one.endpoint_id == reader]) == MAX_ATTEMPTS

    with some.sessions() as session:
        (shown,) = newest_deliveries(session, reader, limit=9, state=FAILED)
    assert [(one.number, one.status, one.response_body) for one in shown.attempts] == [
        (number, 503, "later") for number in range(1, MAX_ATTEMPTS + 1)
    ]
    assert shown.next_attempt_at is None

    some.receivers.answer(lambda _: Reply())
    _mend_circuits(some)
    with some.sessions.begin() as session:
        window = Window(since=shown.attempts[0].at - timedelta(minutes=1))
        assert replay(session, reader, Past(window=window, states=frozenset({Replayable.FAILED}))) == 1
    with RunningPump(some.sessions, BOX):
        eventually(
            lambda: [one.state for one in some.deliveries() if one.endpoint_id == reader] == [SUCCEEDED]
        )


def test_attempts_are_counted_by_the_delivery_and_not_by_the_record_of_them(subscribers: Making) -> None:
    some = subscribers(lambda _: Reply(status=503))
    some.tell(some.subscribe(), attempts=MAX_ATTEMPTS - 2)

    with RunningPump(some.sessions, BOX):
        eventually(some.attempts)
        with some.sessions.begin() as session:
            session.execute(delete(AttemptRow))
        some.due_in(0)
        eventually(lambda: some.all_are(FAILED))

    assert [one.number for one in some.attempts()] == [MAX_ATTEMPTS]


def _mend_circuits(some: Listening) -> None:
    with some.sessions.begin() as session:
        session.execute(update(EndpointRow).values(breaks=0, broken_until=None))
