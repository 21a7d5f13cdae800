"""Redis loses everything between two stages: what waited there is sent again, what runs is not.

Guards: `take_back` makes due again what was leased, was not begun, and stands in no queue any more; `begin`
renews the lease of what it begins.
"""

from datetime import datetime, timedelta
from uuid import UUID

import psutil
import pytest
from sqlalchemy import func, select, text

from publisher.events import EventType, Queue
from publisher.ingest.record import record
from publisher.ingest.submission import Submission
from publisher.outbox.lease import Parcel, lease_due
from publisher.schema import EventTaskRow
from tests.pipeline.deliveries import recorded, sent
from tests.pipeline.own_servers import OwnRedis
from tests.pipeline.sends import counting_sends
from tests.pipeline.system import DOMAIN, System
from tests.pipeline.under_load import under_load
from tests.receivers import Receivers
from tests.waiting import eventually

BEGINS_BEFORE_ITS_END = timedelta(seconds=1.5)
ARTICLES, ENDPOINTS = 200, 100
# The relay looks once a second.
LOOKS_WITHIN = timedelta(seconds=1.2)


@pytest.fixture
def redis_url(own_redis: OwnRedis) -> str:
    """Which Redis the systems of this file use: what is emptied here is nobody else's."""
    return own_redis.url


def test_what_waited_in_redis_is_sent_once_more(own_redis: OwnRedis, system: System) -> None:
    for number in range(40):
        system.submit(number)
    with counting_sends(system.sessions) as sends:
        relay = system.start("relay")
        eventually(lambda: system.waiting() == 8, within_s=40)

        system.redis.flushall()
        system.start("worker", "--concurrency", "1")
        eventually(lambda: own_redis.listeners() == 1, within_s=40)
        system.wait_until_done(within_s=10)

        assert set(sends.counted("enrich").values()) == {2}
        assert set(sends.counted("publish").values()) == {1}
    assert relay.running
    assert set(system.statuses().values()) == {"published"}
    assert system.events(EventType.ARTICLE_ENRICHED) == system.steps("enrich") == 40
    assert system.events(EventType.ARTICLE_PUBLISHED) == system.steps("publish") == 40


def test_what_runs_is_not_sent_again(own_redis: OwnRedis, system: System) -> None:
    relay, worker = system.start("relay"), system.start("worker", "--concurrency", "1")
    eventually(lambda: own_redis.listeners() == 1, within_s=40)
    eventually(lambda: system.connections("publisher relay") > 0, within_s=40)
    (pool,) = psutil.Process(worker.pid).children()

    with counting_sends(system.sessions) as sends:
        article, parcel, lease_ends_at = _submit_and_lease(system)
        eventually(lambda: _is_past(system, lease_ends_at - BEGINS_BEFORE_ITS_END))
        with system.sessions.begin() as session:
            session.execute(text("LOCK TABLE revision"))  # what is begun wants to read it
            system.send(parcel.task, [str(one) for one in parcel.event_ids], token=parcel.token)
            eventually(lambda: system.starts(article) == 1)
            pool.suspend()
        system.redis.flushall()
        eventually(lambda: _is_past(system, lease_ends_at + LOOKS_WITHIN))
        pool.resume()
        system.wait_until_done()

        assert max(sends.counted().values()) == 1
    assert relay.running
    assert system.statuses() == {article: "published"}


def test_of_twenty_thousand_deliveries_none_is_lost_when_redis_is_emptied_and_killed_meanwhile(
    own_redis: OwnRedis, system: System
) -> None:
    with Receivers() as receivers:
        for number in range(ENDPOINTS):
            system.subscribe(receivers.url(f"/{number}", host=number + 1))
        system.submit_together(ARTICLES)
        processes = [system.start(name) for name in ("relay", "sender")]
        processes.append(system.start("worker", "--concurrency", "1"))
        eventually(lambda: system.steps("fan_out") >= ARTICLES // 4, within_s=40)

        system.redis.flushall()
        eventually(lambda: system.steps("fan_out") >= ARTICLES // 2, within_s=40)
        with own_redis.away():
            pass
        assert system.owed() > 0
        assert receivers.count < ARTICLES * ENDPOINTS
        eventually(lambda: system.deliveries("succeeded") == ARTICLES * ENDPOINTS, within_s=60)

        assert all(one.running for one in processes)
        assert set(sent(receivers).values()) == {1}
        assert sent(receivers) == recorded(system)


def test_a_redis_that_was_killed_comes_back_empty(own_redis: OwnRedis, system: System) -> None:
    with Receivers() as receivers, under_load(system, receivers) as load:
        with load.clients():
            load.eventually(lambda: len(load.arrived()) >= 10, within_s=40)
            with own_redis.away():
                pass
        load.settle(within_s=15)

        assert (load.ledger.refusals, load.ledger.cut_off) == ([], 0)
        load.compare_ledgers()


def _submit_and_lease(system: System) -> tuple[UUID, Parcel, datetime]:
    """Record an article, take its obligation before the relay can, and return until when it is taken."""
    submission = Submission(title="Bài viết", url=f"https://{DOMAIN}/1", content_text="Nội dung.")
    with system.sessions.begin() as session:
        article = record(session, submission, tag_domain=DOMAIN).article_id
        (parcel,) = lease_due(session, Queue.PIPELINE, room=1)
        (ends_at,) = session.scalars(select(EventTaskRow.lease_until))
    assert ends_at is not None
    return article, parcel, ends_at


def _is_past(system: System, moment: datetime) -> bool:
    with system.sessions() as session:
        return session.scalar(select(func.now())) > moment
