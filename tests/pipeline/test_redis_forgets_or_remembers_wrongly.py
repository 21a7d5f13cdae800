"""Redis evicts queues, or returns with an old snapshot: what it forgot is sent again, repeats begin nothing.

Guards: `take_back` makes due again what was leased, was not begun, and stands in no queue any more; `begin`
takes only what carries the message's token and was not begun yet.
"""

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, update

from publisher.events import EventType, Queue
from publisher.schema import EventTaskRow
from tests.pipeline.own_servers import OwnRedis
from tests.pipeline.sends import Sends, counting_sends
from tests.pipeline.system import REDIS_PREFIX, System
from tests.waiting import eventually
from workers.queues import key_of

WITHIN_S = 10.0
ARTICLES = 40


@pytest.fixture
def redis_url(own_redis: OwnRedis) -> str:
    """Which Redis the systems of this file use."""
    return own_redis.url


@pytest.fixture
def sends(system: System) -> Iterator[Sends]:
    """How often each obligation is sent."""
    with counting_sends(system.sessions) as sends:
        yield sends


def test_what_redis_evicted_is_sent_again(own_redis: OwnRedis, system: System, sends: Sends) -> None:
    _fill_the_queue(system)

    own_redis.evict(key_of(Queue.PIPELINE, REDIS_PREFIX))
    worker = system.start("worker", "--concurrency", "1")
    eventually(lambda: own_redis.listeners() == 1, within_s=40)
    system.wait_until_done(within_s=WITHIN_S)

    assert worker.running
    _each_was_published_once(system, ARTICLES)
    assert set(sends.counted("enrich").values()) == {2}
    assert set(sends.counted("publish").values()) == {1}


def test_messages_of_an_old_snapshot_begin_nothing(own_redis: OwnRedis, system: System, sends: Sends) -> None:
    postponed = system.submit(ARTICLES)
    _fill_the_queue(system)
    own_redis.take_snapshot()
    _take_back(system, postponed)
    worker = system.start("worker", "--concurrency", "1")
    eventually(lambda: system.steps("publish") == ARTICLES, within_s=40)
    system.kill(worker)  # so that nobody takes the old messages before they are counted

    with own_redis.away():
        late = system.submit(ARTICLES + 1)
    remembered = system.waiting_events()
    system.start("worker", "--concurrency", "1")
    eventually(lambda: own_redis.listeners() == 1, within_s=40)
    eventually(lambda: system.statuses()[late] == "published", within_s=WITHIN_S)
    eventually(lambda: system.waiting() == 0)
    begun = system.starts(postponed)
    _make_due(system, postponed)
    system.wait_until_done(within_s=WITHIN_S)

    assert len(remembered) >= ARTICLES + 1
    assert begun == 0
    assert max(sends.counted("enrich").values()) == 1
    _each_was_published_once(system, ARTICLES + 2)


def _fill_the_queue(system: System) -> None:
    for number in range(ARTICLES):
        system.submit(number)
    system.start("relay")
    eventually(lambda: len(system.waiting_events()) == system.owed(), within_s=40)


def _take_back(system: System, article: UUID) -> None:
    """Take work back whose message is under way, and put it off: that message is void from now on."""
    values = {"token": None, "lease_until": None, "due_at": func.now() + timedelta(hours=1)}
    with system.sessions.begin() as session:
        session.execute(update(EventTaskRow).where(EventTaskRow.subject == article).values(**values))


def _make_due(system: System, article: UUID) -> None:
    with system.sessions.begin() as session:
        session.execute(update(EventTaskRow).where(EventTaskRow.subject == article).values(due_at=func.now()))


def _each_was_published_once(system: System, articles: int) -> None:
    assert list(system.statuses().values()) == ["published"] * articles
    assert system.events(EventType.ARTICLE_ENRICHED) == system.steps("enrich") == articles
    assert system.events(EventType.ARTICLE_PUBLISHED) == system.steps("publish") == articles
