"""An endpoint never has more requests under way than it takes, as its receiver counts them, whoever sends."""

import pytest

from publisher.notify.outcome import DeliveryState
from tests.receivers import Reply
from tests.stages.listening import Making
from tests.stages.pumps import RunningPump, SeveralPumps
from tests.stages.subscribers import BOX
from tests.waiting import eventually

SUCCEEDED = DeliveryState.SUCCEEDED


@pytest.mark.parametrize(
    ("members", "most"),
    [({"max_in_flight": 3}, 3), ({"fifo": True, "max_in_flight": 9}, 1)],
)
def test_there_are_never_more_although_senders_come_and_go(
    subscribers: Making, members: dict[str, object], most: int
) -> None:
    some = subscribers(lambda _: Reply(after_s=0.03))
    reader = some.subscribe("/few", **members)
    for _ in range(30 * most):
        some.tell(reader)

    with SeveralPumps(some.sessions, BOX) as pumps:
        for times in range(1, 4):
            eventually(lambda times=times: some.receivers.count >= 5 * times * most)  # type: ignore[misc]
            pumps.hand_over(reader)
        eventually(lambda: some.all_are(SUCCEEDED), within_s=30)

    assert some.receivers.most_at_once("/few") == most
    assert some.receivers.count == 30 * most


def test_who_does_not_say_takes_ten(subscribers: Making) -> None:
    some = subscribers(lambda _: Reply(held=True))
    reader, other = some.subscribe("/many"), some.subscribe("/other")
    for _ in range(30):
        some.tell(reader)
    with RunningPump(some.sessions, BOX):
        eventually(lambda: some.receivers.count == 10)
        some.tell(other)
        eventually(lambda: some.receivers.received("/other"))
        some.receivers.answer(lambda _: Reply())
        some.receivers.release()
        eventually(lambda: some.all_are(SUCCEEDED))

    assert some.receivers.most_at_once("/many") == 10


def test_answers_that_fail_make_no_room_for_more(subscribers: Making) -> None:
    some = subscribers(lambda _: Reply(status=429, after_s=0.03))
    reader = some.subscribe("/few", max_in_flight=2)
    for _ in range(8):
        some.tell(reader)

    with RunningPump(some.sessions, BOX):
        eventually(lambda: len(some.attempts()) == 8)

    assert some.receivers.most_at_once("/few") == 2
