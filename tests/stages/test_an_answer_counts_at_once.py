"""What a receiver asks for holds from its answer on: no request begins until that is in the record."""

import itertools

import pytest

from publisher.notify.looks import IN_FLIGHT
from tests.receivers import Received, Reply
from tests.stages.listening import Making
from tests.stages.pumps import RunningPump
from tests.stages.subscribers import BOX
from tests.waiting import eventually


@pytest.mark.parametrize(
    "wish",
    [
        Reply(status=410),
        Reply(status=429, headers={"retry-after": "120"}),
        Reply(status=500, headers={"webhook-delivery": "disable"}),
        Reply(status=200, headers={"webhook-delivery": "disable"}),
    ],
    ids=["gone", "silence", "declines", "declines and takes"],
)
def test_no_request_begins_after_an_answer_that_forbids_it(subscribers: Making, wish: Reply) -> None:
    asked = itertools.count(1)

    def answer(received: Received) -> Reply:
        if received.path == "/other":
            return Reply()
        return wish if next(asked) == 1 else Reply(held=True)

    some = subscribers(answer)
    reader, other = some.subscribe("/reader"), some.subscribe("/other")
    for _ in range(3 * IN_FLIGHT):
        some.tell(reader)

    # What hangs keeps outcomes from being recorded at once.
    with RunningPump(some.sessions, BOX, drain_s=0.1):
        eventually(some.attempts)
        some.tell(other)
        eventually(lambda: some.receivers.received("/other"))

    assert len(some.receivers.received("/reader")) == IN_FLIGHT
