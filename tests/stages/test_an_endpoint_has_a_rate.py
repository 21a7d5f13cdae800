"""An endpoint is sent no more requests a second than it says, whoever sends, and nothing is lost."""

import itertools
import time
from uuid import UUID

import pytest

from publisher.notify.endpoints.endpoint_in import EndpointPatch
from publisher.notify.endpoints.store import change
from publisher.notify.fan_out.message import message_name
from publisher.notify.outcome import DeliveryState
from tests.stages.listening import Listening, Making
from tests.stages.pumps import RunningPump, SeveralPumps
from tests.stages.subscribers import BOX
from tests.waiting import eventually

SUCCEEDED = DeliveryState.SUCCEEDED
RATE, MINUTE_S, HANDOVERS = 5, 60.0, 10
# More than a minute brings.
MESSAGES = 400


def quicken(some: Listening, endpoint_id: UUID) -> None:
    """Let an endpoint have what is left at once."""
    with some.sessions.begin() as session:
        change(session, endpoint_id, EndpointPatch(rate_per_s=1000))


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


@pytest.mark.lasts_a_minute
def test_a_minute_brings_no_more_across_four_senders_that_come_and_go_and_nothing_is_dropped(
    subscribers: Making,
) -> None:
    some = subscribers()
    reader = some.subscribe(rate_per_s=RATE)
    wanted = {message_name(some.tell(reader)) for _ in range(MESSAGES)}

    with SeveralPumps(some.sessions, BOX) as pumps:
        for number in range(1, HANDOVERS + 1):
            share = number * RATE * MINUTE_S / (HANDOVERS + 2)
            eventually(lambda share=share: some.receivers.count > share, within_s=30)  # type: ignore[misc]
            pumps.hand_over(reader, crash=number == HANDOVERS)
        began = some.receivers.received()[0].at
        eventually(lambda: time.monotonic() > began + MINUTE_S, within_s=MINUTE_S)
        quicken(some, reader)
        eventually(lambda: some.all_are(SUCCEEDED), within_s=30)

    came = some.receivers.received()
    times = [one.at for one in came if one.at < began + MINUTE_S]
    assert RATE * MINUTE_S / 2 < len(times) <= 315
    # Between any two: what the rate allows, one burst, and as much again for a machine that is busy.
    assert all(
        last - first + 1 <= RATE * (times[last] - times[first]) + 2 * RATE
        for first, last in itertools.combinations(range(len(times)), 2)
    )
    assert wanted == {one.headers["webhook-id"] for one in came}
    # What the one that was killed had not recorded came again.
    assert len(came) <= MESSAGES + RATE


def test_an_endpoint_with_a_rate_keeps_no_other_waiting(subscribers: Making) -> None:
    some = subscribers()
    slow, quick = some.subscribe("/slow", rate_per_s=0.1), some.subscribe("/quick")
    with RunningPump(some.sessions, BOX):
        for _ in range(30):
            some.tell(slow, quick)

        eventually(lambda: len(some.receivers.received("/quick")) == 30)

    assert len(some.receivers.received("/slow")) <= 2
