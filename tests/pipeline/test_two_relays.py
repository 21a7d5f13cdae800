"""Two relays at once: no obligation is sent by both.

Guard: `FOR UPDATE SKIP LOCKED` in `lease_due`, and the token that marks what is leased.
"""

from collections import Counter

from publisher.events import EventType
from tests.pipeline.system import System
from tests.waiting import eventually


def test_no_obligation_is_sent_twice(system: System) -> None:
    relays = [system.start("relay"), system.start("relay")]
    eventually(lambda: system.connections("publisher relay") >= len(relays), within_s=20)
    system.submit_together(500)

    eventually(lambda: len(system.waiting_events()) >= 64)
    sent = Counter(system.waiting_events())

    assert max(sent.values()) == 1


def test_two_relays_share_the_work(system: System) -> None:
    relays = [system.start("relay"), system.start("relay")]
    system.start("worker", "--concurrency", "1")
    for number in range(200):
        system.submit(number)

    system.wait_until_done(within_s=30)

    assert all(relay.running for relay in relays)
    assert system.events(EventType.ARTICLE_ENRICHED) == system.steps("enrich") == 200
    assert system.events(EventType.ARTICLE_PUBLISHED) == system.steps("publish") == 200
