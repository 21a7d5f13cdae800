"""Two senders at once: each endpoint belongs to one of them, and each message arrives once.

Guard: the shard leases; a sender claims deliveries of its own shards only.
"""

import threading
from collections import Counter
from dataclasses import dataclass
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import func, select

from publisher.notify.endpoints.endpoint_in import EndpointIn
from publisher.notify.endpoints.store import create
from publisher.notify.secrets.box import SecretBox
from publisher.schema import DeliveryRow, EndpointRow, ShardLeaseRow
from tests.pipeline.forked import Forked
from tests.pipeline.system import SECRET_KEY, System
from tests.receivers import Received, Receivers, Reply
from tests.waiting import eventually

ENDPOINTS, ARTICLES, HANGING_ARTICLES = 60, 10, 3
# Longer than it takes until all is in flight, and shorter than a sender waits for an answer.
HANG_S = 8.0


@dataclass(frozen=True, kw_only=True)
class Sender:
    """A sender, and the name under which it holds shards."""

    process: Forked
    holder: UUID


def test_each_message_arrives_once_at_each_endpoint(system: System) -> None:
    with Receivers() as receivers:
        _register(system, receivers)
        _start_two_senders(system)
        system.start("relay")
        system.start("worker", "--concurrency", "1")
        for number in range(ARTICLES):
            system.submit(number)
        eventually(lambda: _succeeded(system) == ENDPOINTS * ARTICLES, within_s=30)

        arrived = Counter(map(_sent, receivers.received()))

    assert len(arrived) == ENDPOINTS * ARTICLES
    assert max(arrived.values()) == 1


def test_what_a_killed_sender_had_in_flight_is_sent_by_the_other(system: System) -> None:
    hangs = threading.Event()
    hangs.set()
    with Receivers(lambda _: Reply(after_s=HANG_S if hangs.is_set() else 0.0)) as receivers:
        _register(system, receivers)
        first, second = _start_two_senders(system)
        system.start("relay")
        system.start("worker", "--concurrency", "1")
        for number in range(HANGING_ARTICLES):
            system.submit(number)
        eventually(lambda: receivers.count == ENDPOINTS * HANGING_ARTICLES, within_s=30)

        hangs.clear()
        paths = _paths(system, first.holder)
        in_flight = {_sent(one) for one in receivers.received() if one.path in paths}
        system.kill(first.process)
        eventually(lambda: _succeeded(system) == ENDPOINTS * HANGING_ARTICLES, within_s=30)
        assert second.process.running
        arrived = Counter(map(_sent, receivers.received()))

    repeated = {one for one, times in arrived.items() if times > 1}
    assert len(arrived) == ENDPOINTS * HANGING_ARTICLES
    assert max(arrived.values()) == 2
    assert repeated <= in_flight


def _register(system: System, receivers: Receivers) -> None:
    box = SecretBox(SECRET_KEY)
    with system.sessions.begin() as session:
        for number in range(ENDPOINTS):
            wanted = EndpointIn(url=receivers.url(f"/{number}", host=number + 1))
            create(session, wanted, box=box, owner=None)


def _start_two_senders(system: System) -> tuple[Sender, Sender]:
    first = system.start("sender")
    eventually(lambda: _shares(system) == [64], within_s=30)
    (holder,) = _holders(system)
    second = system.start("sender")
    eventually(lambda: sorted(_shares(system)) == [32, 32], within_s=30)
    (other,) = _holders(system) - {holder}
    return Sender(process=first, holder=holder), Sender(process=second, holder=other)


def _holders(system: System) -> set[UUID]:
    with system.sessions() as session:
        return {one for one in session.scalars(select(ShardLeaseRow.holder)) if one is not None}


def _paths(system: System, holder: UUID) -> set[str]:
    """Return the paths of the endpoints that a sender sends to."""
    held = select(ShardLeaseRow.shard).where(ShardLeaseRow.holder == holder)
    with system.sessions() as session:
        urls = session.scalars(select(EndpointRow.url).where(EndpointRow.shard.in_(held)))
        return {urlsplit(url).path for url in urls}


def _sent(received: Received) -> tuple[str, str]:
    return received.path, received.headers["webhook-id"]


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
