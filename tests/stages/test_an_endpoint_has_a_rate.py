"""An endpoint is sent no more requests a second than it says, whoever sends, and nothing is lost."""

import itertools
import time

from publisher.notify.outcome import DeliveryState
from tests.stages.listening import Listening, Making
from tests.stages.pumps import RunningPump, SeveralPumps
from tests.stages.subscribers import BOX
from tests.waiting import eventually

SUCCEEDED = DeliveryState.SUCCEEDED
RATE, MESSAGES, HANDOVERS = 5, 40, 5


def most_in_a_second(some: Listening) -> int:
    """Return how many requests came in within any one second."""
    times = [one.at for one in some.receivers.received()]
    return max(sum(start <= other < start + 1.0 for other in times) for start in times)


def test_no_more_comes_than_the_rate_and_nothing_is_dropped(subscribers: Making) -> None:
    some = subscribers()
    reader = some.subscribe(rate_per_s=10)
    for _ in range(40):
        some.tell(reader)

    with RunningPump(some.sessions, BOX):
        eventually(lambda: some.all_are(SUCCEEDED), within_s=30)

    times = [one.at for one in some.receivers.received()]
    assert len(times) == 40
    # A burst of a second's worth, then one in a tenth of a second.
    assert times[-1] - times[0] >= 2.8
    assert most_in_a_second(some) <= 20


def test_the_rate_holds_across_four_senders_that_come_and_go_and_nothing_is_dropped(
    subscribers: Making,
) -> None:
    some = subscribers()
    reader = some.subscribe(rate_per_s=RATE)
    for _ in range(MESSAGES):
        some.tell(reader)
    began = time.monotonic()

    with SeveralPumps(some.sessions, BOX) as pumps:
        for number in range(1, HANDOVERS + 1):
            seen = some.receivers.count
            eventually(lambda seen=seen: some.receivers.count > seen)  # type: ignore[misc]
            pumps.hand_over(reader, crash=number == HANDOVERS)
        eventually(lambda: some.all_are(SUCCEEDED), within_s=30)

    times = [one.at for one in some.receivers.received()]
    # What the one that was killed had not recorded came again.
    assert MESSAGES <= len(times) <= MESSAGES + RATE
    assert times[-1] - began >= (MESSAGES - RATE) / RATE
    # Between any two: what the rate allows, one burst, and as much again for a machine that is busy.
    assert all(
        last - first + 1 <= RATE * (times[last] - times[first]) + 2 * RATE
        for first, last in itertools.combinations(range(len(times)), 2)
    )


def test_an_endpoint_with_a_rate_keeps_no_other_waiting(subscribers: Making) -> None:
    some = subscribers()
    slow, quick = some.subscribe("/slow", rate_per_s=0.1), some.subscribe("/quick")
    with RunningPump(some.sessions, BOX):
        for _ in range(30):
            some.tell(slow, quick)

        eventually(lambda: len(some.receivers.received("/quick")) == 30)

    assert len(some.receivers.received("/slow")) <= 2
