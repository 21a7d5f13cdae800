"""Redis loses everything between two stages: what waited there is sent again, what runs is not.

Guard: `take_back` makes due again what was leased, was not begun, and stands in no queue any more.
"""

from publisher.events import EventType, Queue
from tests.pipeline.system import System
from tests.waiting import eventually


def test_what_waited_in_redis_is_sent_again(system: System) -> None:
    for number in range(40):
        system.submit(number)
    relay = system.start("relay")
    eventually(lambda: system.redis.llen(Queue.PIPELINE) == 8, within_s=20)

    system.redis.flushall()
    system.start("worker", "--concurrency", "1")
    system.wait_until_done(within_s=20)

    assert relay.running
    assert set(system.statuses().values()) == {"published"}
    assert system.events(EventType.ARTICLE_ENRICHED) == system.steps("enrich") == 40
    assert system.events(EventType.ARTICLE_PUBLISHED) == system.steps("publish") == 40


def test_a_redis_that_is_emptied_again_and_again_costs_time_only(system: System) -> None:
    system.start("relay")
    system.start("worker", "--concurrency", "1")
    for number in range(60):
        system.submit(number)
        if number % 10 == 0:
            system.redis.flushall()
    system.wait_until_done(within_s=25)

    assert set(system.statuses().values()) == {"published"}
    assert system.events(EventType.ARTICLE_PUBLISHED) == 60
