"""A message arrives twice, at once or late: it is begun once, and its effects are seen once.

Guard: `begin` takes only what carries the message's token and was not begun yet.
"""

from publisher.events import EventType, Queue
from publisher.outbox.lease import Parcel, lease_due
from tests.pipeline.system import System
from tests.waiting import eventually


def test_a_message_that_comes_twice_is_worked_on_once(system: System) -> None:
    for number in range(5):
        system.submit(number)
    parcels = _lease(system)

    for parcel in [*parcels, *parcels, *parcels]:
        _send(system, parcel)
    system.start("worker", "--concurrency", "2")
    eventually(lambda: system.steps("enrich") == 5, within_s=20)
    eventually(lambda: system.redis.llen(Queue.PIPELINE) == 0)

    assert system.events(EventType.ARTICLE_ENRICHED) == 5


def test_a_message_that_comes_late_changes_nothing(system: System) -> None:
    article = system.submit(1)
    (parcel,) = _lease(system)
    _send(system, parcel)
    system.start("worker", "--concurrency", "1")
    eventually(lambda: system.steps("enrich") == 1, within_s=20)

    system.submit(1, title="Bản mới")
    _send(system, parcel)
    eventually(lambda: system.redis.llen(Queue.PIPELINE) == 0)

    assert system.steps("enrich") == 1
    assert system.statuses() == {article: "received"}


def _lease(system: System) -> list[Parcel]:
    with system.sessions.begin() as session:
        return lease_due(session, Queue.PIPELINE, room=8)


def _send(system: System, parcel: Parcel) -> None:
    system.send(parcel.task, [str(one) for one in parcel.event_ids], token=parcel.token)
