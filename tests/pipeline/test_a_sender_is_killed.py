"""A sender is killed (-9) with all of its slots in flight: what it had not recorded is sent again, once.

Guards: shards come free when their lease runs out (`beat`); what is in flight stays due until its outcome is
recorded (`claim`), so nothing has to be found out about the dead.
"""

import threading

from publisher.notify.pump.pump import SLOTS
from publisher.notify.secrets.box import SecretBox
from tests.pipeline.deliveries import recorded, sent
from tests.pipeline.system import SECRET_KEY, STARTS_WITHIN_S, System
from tests.receivers import Receivers, Reply
from tests.stages.subscribers import Subscribers
from tests.waiting import eventually

# Each takes ten at a time: together, all of the slots and not one more, however long they hang.
ENDPOINTS, MESSAGES = 50, 12


def test_what_a_killed_sender_had_in_flight_is_sent_again_by_the_next(system: System) -> None:
    hangs = threading.Event()
    hangs.set()
    with Receivers(lambda _: Reply(held=hangs.is_set())) as receivers:
        subscribers = Subscribers(
            system.sessions, lambda path, host: receivers.url(path, host=host), box=SecretBox(SECRET_KEY)
        )
        endpoints = [subscribers.subscribe(f"/{number}", host=number + 1) for number in range(ENDPOINTS)]
        for _ in range(MESSAGES):
            subscribers.tell(*endpoints)
        sender = system.start("sender")
        eventually(lambda: receivers.count >= SLOTS, within_s=STARTS_WITHIN_S)
        in_flight = sent(receivers)

        system.kill(sender)
        hangs.clear()
        system.start("sender")
        eventually(lambda: system.deliveries("succeeded"), within_s=STARTS_WITHIN_S)
        system.wait_until_delivered(within_s=10)

        assert in_flight.total() == len(in_flight) == SLOTS
        assert sent(receivers) - in_flight == recorded(system)
        assert system.deliveries("succeeded") == len(recorded(system)) == ENDPOINTS * MESSAGES
        assert set(recorded(system).values()) == {1}
