"""A message arrives twice, at once or late: it is begun once, and its effects are seen once.

Guard: `begin` takes only what carries the message's token and was not begun yet.
"""

from publisher.events import EventType, Queue
from publisher.outbox.lease import Parcel, lease_due, take_back
from tests.pipeline.system import System
from tests.waiting import eventually


def test_a_message_that_comes_again_while_it_is_worked_on_is_not_begun_again(system: System) -> None:
    article = system.submit(1)
    (parcel,) = _lease(system)
    system.start("worker", "--concurrency", "2")

    with system.locked(article):
        for _ in range(3):
            _send(system, parcel)
        eventually(lambda: system.starts(article) > 0, within_s=20)
        eventually(lambda: system.waiting() == 0)
        begun = system.starts(article)
    eventually(lambda: system.steps("enrich") == 1)

    assert begun == 1
    assert system.events(EventType.ARTICLE_ENRICHED) == 1


def test_messages_that_come_twice_have_their_effect_once(system: System) -> None:
    for number in range(5):
        system.submit(number)
    parcels = _lease(system)

    for parcel in [*parcels, *parcels, *parcels]:
        _send(system, parcel)
    system.start("worker", "--concurrency", "2")
    eventually(lambda: system.steps("enrich") == 5, within_s=20)
    eventually(lambda: system.waiting() == 0)

    assert system.events(EventType.ARTICLE_ENRICHED) == 5


def test_a_message_whose_work_was_given_to_another_one_begins_nothing(system: System) -> None:
    article = system.submit(1)
    (late,) = _lease(system)
    system.expire_leases()
    with system.sessions.begin() as session:
        take_back(session, waiting=())
    (current,) = _lease(system)
    system.start("worker", "--concurrency", "1")

    _send(system, late)
    eventually(lambda: system.connections("publisher worker") > 0, within_s=20)
    eventually(lambda: system.waiting() == 0)
    begun = system.starts(article)
    _send(system, current)
    eventually(lambda: system.steps("enrich") == 1)

    assert begun == 0
    assert system.statuses() == {article: "enriched"}


def _lease(system: System) -> list[Parcel]:
    with system.sessions.begin() as session:
        return lease_due(session, Queue.PIPELINE, room=8)


def _send(system: System, parcel: Parcel) -> None:
    system.send(parcel.task, [str(one) for one in parcel.event_ids], token=parcel.token)
