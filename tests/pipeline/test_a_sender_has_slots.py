"""A sender has as many requests in flight as it was given slots, and half as many more while they hang.

Guard: `PUBLISHER_SENDER_SLOTS`, which the bootstep hands to the pump.
"""

from sqlalchemy import func, select

from publisher.notify.memory.flights import most_in_flight
from publisher.notify.secrets.box import SecretBox
from publisher.schema import SenderRow
from tests.pipeline.system import SECRET_KEY, STARTS_WITHIN_S, System
from tests.receivers import Receivers, Reply
from tests.stages.subscribers import Subscribers
from tests.waiting import eventually

SLOTS, HANGING = 8, 30


def test_a_sender_takes_no_more_than_it_was_given_slots(system: System) -> None:
    with Receivers(lambda _: Reply(held=True)) as receivers:
        subscribers = Subscribers(
            system.sessions, lambda path, host: receivers.url(path, host=host), box=SecretBox(SECRET_KEY)
        )
        subscribers.tell(*(subscribers.subscribe(f"/{one}", host=one + 1) for one in range(HANGING)))

        system.start("sender", PUBLISHER_SENDER_SLOTS=str(SLOTS))
        eventually(lambda: _in_flight(system) == most_in_flight(SLOTS), within_s=STARTS_WITHIN_S)

        assert receivers.count == most_in_flight(SLOTS)
        receivers.answer(lambda _: Reply())
        receivers.release()
        system.wait_until_delivered()


def _in_flight(system: System) -> int:
    with system.sessions() as session:
        return session.scalar(select(func.max(SenderRow.in_flight))) or 0
