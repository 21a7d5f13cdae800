"""No worker runs for a night: nothing is stuck, and nothing is sent twice but what the last worker held.

Guards: the window (Redis holds a few messages, however long the night), `take_back` (a message that still
stands in its queue keeps its lease, at no charge; a run that was begun and lost is charged once).
"""

import base64
import json
from collections.abc import Iterator
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import func, select

from publisher.events import Queue
from publisher.outbox.watch import stuck
from publisher.outbox.work import begin
from publisher.schema import EventTaskRow
from publisher.settings import load_settings
from tests.pipeline.sends import counting_sends
from tests.pipeline.system import REDIS_PREFIX, System
from workers.metrics.relaying import RelayMeters
from workers.pipeline import app
from workers.queues import key_of
from workers.relay import WINDOW, Relay

# In each of them all leases run out. A night has thousands; after a few nothing may change any more.
ROUNDS, AN_HOUR = 100, 10
EVENING = 30


@pytest.fixture
def relay(system: System, postgres_url: str, redis_url: str) -> Iterator[Relay]:
    """A relay whose clock is in the hands of the test."""
    broker = app.conf.broker_url
    app.configure(load_settings(database_url=postgres_url, redis_url=redis_url, redis_prefix=REDIS_PREFIX))
    yield Relay(app, system.sessions, system.redis, meters=RelayMeters(CollectorRegistry()))
    app.conf.broker_url = broker


def test_work_goes_on_in_the_morning_where_it_stopped(system: System, relay: Relay) -> None:
    for number in range(EVENING):
        system.submit(number)
    with counting_sends(system.sessions) as sends:
        relay.send_due()
        held = _take_one_message_and_die(system)
        for number in range(ROUNDS):
            if number % AN_HOUR == 0:
                system.submit(EVENING + number)
            system.expire_leases()
            relay.take_back_lost()
            relay.send_due()
        waiting, failures = system.waiting(), _failures(system)
        with system.sessions() as session:
            stuck_at_dawn = stuck(session)

        system.start("relay")
        system.start("worker", "--concurrency", "1")
        system.wait_until_done(within_s=60)
        repeated = {event for (_, event), times in sends.counted().items() if times > 1}
        most = max(sends.counted().values())

    assert (stuck_at_dawn, waiting) == ([], WINDOW)
    assert failures == len(held)
    assert (repeated, most) == (held, 2)
    assert list(system.statuses().values()) == ["published"] * (EVENING + ROUNDS // AN_HOUR)


def _take_one_message_and_die(system: System) -> set[str]:
    """Begin what a message asks for, as the last worker of the day did; return its events."""
    taken = system.redis.rpop(key_of(Queue.PIPELINE, REDIS_PREFIX))
    assert isinstance(taken, bytes)
    message = json.loads(taken)
    (events,), *_ = json.loads(base64.b64decode(message["body"]))
    task, token = message["headers"]["task"], UUID(message["headers"]["id"])
    with system.sessions.begin() as session:
        begun = begin(session, task, [UUID(one) for one in events], token)
    assert begun
    return {str(one.event_id) for one in begun}


def _failures(system: System) -> int:
    with system.sessions() as session:
        return session.scalar(select(func.sum(EventTaskRow.failures))) or 0
