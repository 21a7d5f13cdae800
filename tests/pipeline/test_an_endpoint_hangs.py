"""Endpoints that take every request and answer none fill a sender for a second, and the others go on.

Guards: what slow endpoints have beyond a quarter of the slots takes none (`Flights`); they get nothing new
meanwhile (`admit`, `Room.full`).
"""

from collections import Counter

from publisher.notify.pump.pump import SLOTS
from publisher.notify.secrets.box import SecretBox
from tests.pipeline.deliveries import recorded, sent
from tests.pipeline.system import SECRET_KEY, STARTS_WITHIN_S, System
from tests.receivers import Receivers, Reply
from tests.stages.subscribers import Subscribers
from tests.waiting import eventually

# More requests than slots, and fewer to each endpoint than it takes at a time.
HANGING, MESSAGES = 120, 5
WELL = "/well"


def test_the_others_get_theirs_while_more_hang_than_a_sender_has_slots(system: System) -> None:
    with Receivers(lambda received: Reply(held=received.path != WELL)) as receivers:
        subscribers = Subscribers(
            system.sessions, lambda path, host: receivers.url(path, host=host), box=SecretBox(SECRET_KEY)
        )
        hanging = [subscribers.subscribe(f"/{number}", host=number + 2) for number in range(HANGING)]
        well = subscribers.subscribe(WELL)
        for _ in range(MESSAGES):
            subscribers.tell(*hanging)
        for _ in range(MESSAGES):
            subscribers.tell(well)
        system.start("sender")
        eventually(lambda: receivers.count >= SLOTS, within_s=STARTS_WITHIN_S)

        # Sooner than the first request that hangs is given up.
        eventually(lambda: len(receivers.received(WELL)) == MESSAGES, within_s=10)
        subscribers.tell(*hanging, well)
        eventually(lambda: len(receivers.received(WELL)) == MESSAGES + 1, within_s=10)

        assert receivers.count < HANGING * MESSAGES, "who hangs gets nothing new"
        receivers.answer(lambda _: Reply())
        receivers.release()
        system.wait_until_delivered()

    assert sent(receivers) == recorded(system) == Counter(dict.fromkeys(recorded(system), 1))
