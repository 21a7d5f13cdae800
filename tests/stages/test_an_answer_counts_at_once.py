"""What a receiver asks for holds from its answer on: no request begins until that is in the record."""

import itertools
import threading
from typing import Any

import pytest

from publisher.notify.claiming.claim import Claim, claim
from publisher.notify.claiming.looks import IN_FLIGHT
from publisher.notify.pump import pump
from publisher.notify.pump.observer import Observer
from publisher.notify.recording.report import Report
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


def test_what_was_claimed_before_the_answer_is_not_sent_after_it(
    subscribers: Making, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = threading.Event()

    class Hearing(Observer):
        def ended(self, report: Report) -> None:
            heard.set()

    def claim_and_wait(*args: Any, **names: Any) -> Claim:
        found = claim(*args, **names)
        if found.deliveries and some.receivers.count == 1:
            some.receivers.release()
            heard.wait(10)
        return found

    silence = Reply(status=429, headers={"retry-after": "120"}, held=True)
    some = subscribers(lambda one: silence if one.path == "/reader" else Reply())
    reader, other = some.subscribe("/reader"), some.subscribe("/other")
    some.tell(reader)
    monkeypatch.setattr(pump, "claim", claim_and_wait)
    with RunningPump(some.sessions, BOX, observer=Hearing(), drain_s=0.1):
        eventually(lambda: some.receivers.count == 1)
        some.tell(reader)
        eventually(some.attempts)
        some.tell(other)
        eventually(lambda: some.receivers.received("/other"))

    assert len(some.receivers.received("/reader")) == 1
