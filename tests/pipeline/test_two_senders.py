"""Two senders at once: each endpoint belongs to one of them, and each message arrives once.

Guard: the shard leases; a sender claims deliveries of its own shards only.
"""

from collections import Counter

from sqlalchemy import func, select

from publisher.notify.endpoint_in import EndpointIn
from publisher.notify.endpoints import create
from publisher.notify.secrets import SecretBox
from publisher.schema import DeliveryRow, ShardLeaseRow
from tests.pipeline.system import SECRET_KEY, System
from tests.receivers import Receivers
from tests.waiting import eventually
from workers.embedded import Child

ENDPOINTS, ARTICLES = 60, 10


def test_each_message_arrives_once_at_each_endpoint(system: System) -> None:
    with Receivers() as receivers:
        _register(system, receivers)
        _start_two_senders(system)
        system.start("relay")
        system.start("worker", "--concurrency", "1")
        for number in range(ARTICLES):
            system.submit(number)
        eventually(lambda: _succeeded(system) == ENDPOINTS * ARTICLES, within_s=30)

        arrived = Counter((one.path, one.headers["webhook-id"]) for one in receivers.received())

    assert len(arrived) == ENDPOINTS * ARTICLES
    assert max(arrived.values()) == 1


def test_what_a_killed_sender_had_is_sent_by_the_other(system: System) -> None:
    with Receivers() as receivers:
        _register(system, receivers)
        first, second = _start_two_senders(system)
        system.kill(first)
        system.start("relay")
        system.start("worker", "--concurrency", "1")
        for number in range(ARTICLES):
            system.submit(number)
        eventually(lambda: _succeeded(system) == ENDPOINTS * ARTICLES, within_s=30)

        assert second.running
        assert len({(one.path, one.headers["webhook-id"]) for one in receivers.received()}) == 600


def _register(system: System, receivers: Receivers) -> None:
    box = SecretBox(SECRET_KEY)
    with system.sessions.begin() as session:
        for number in range(ENDPOINTS):
            wanted = EndpointIn(url=receivers.url(f"/{number}", host=number + 1))
            create(session, wanted, box=box, owner=None)


def _start_two_senders(system: System) -> list[Child]:
    senders = [system.start("sender"), system.start("sender")]
    eventually(lambda: sorted(_shares(system)) == [32, 32], within_s=30)
    return senders


def _shares(system: System) -> list[int]:
    with system.sessions() as session:
        held = (
            select(func.count())
            .where(ShardLeaseRow.holder.is_not(None), ShardLeaseRow.until > func.now())
            .group_by(ShardLeaseRow.holder)
        )
        return list(session.scalars(held))


def _succeeded(system: System) -> int:
    with system.sessions() as session:
        return session.scalar(select(func.count()).where(DeliveryRow.state == "succeeded")) or 0
