"""The relay is killed (-9) after it leased work, before or after it sent it: nothing is lost or doubled.

Guards: the lease that runs out (`take_back`), and the lease that is renewed while its message waits.
"""

from publisher.events import EventType, Queue
from publisher.outbox.lease import lease_due
from tests.pipeline.system import System
from tests.waiting import eventually


def test_what_the_killed_relay_had_sent_is_worked_on_once(system: System) -> None:
    for number in range(8):
        system.submit(number)
    relay = system.start("relay")
    eventually(lambda: system.redis.llen(Queue.PIPELINE) == 8, within_s=20)
    system.kill(relay)

    system.start("worker", "--concurrency", "1")
    eventually(lambda: system.steps("enrich") == 8, within_s=20)
    system.start("relay")
    system.wait_until_done(within_s=20)

    assert set(system.statuses().values()) == {"published"}
    assert system.events(EventType.ARTICLE_PUBLISHED) == 8


def test_what_the_killed_relay_had_leased_but_not_sent_is_sent_by_the_next(system: System) -> None:
    for number in range(8):
        system.submit(number)
    with system.sessions.begin() as session:
        assert len(lease_due(session, Queue.PIPELINE, room=8)) == 8

    system.start("relay")
    system.start("worker", "--concurrency", "1")
    system.wait_until_done(within_s=20)

    assert set(system.statuses().values()) == {"published"}
    assert system.steps("enrich") == 8


def test_messages_that_wait_longer_than_their_lease_are_not_sent_again(system: System) -> None:
    for number in range(4):
        system.submit(number)
    system.start("relay")
    eventually(lambda: system.redis.llen(Queue.PIPELINE) == 4, within_s=20)
    sent = system.waiting_events()

    system.expire_leases()
    eventually(lambda: system.leased() == 4)

    assert system.waiting_events() == sent
