"""Once it is answered that an endpoint is deleted, disabled or paused, no request to it begins."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from ipaddress import ip_network
from typing import TypeVar
from uuid import UUID

import httpx
import pytest
from sqlalchemy import Engine, func, update
from sqlalchemy.orm import Session

from publisher.access import Scope
from publisher.database import Sessions, connect
from publisher.ids import new_id
from publisher.notify.claimed import Claimed
from publisher.notify.outcome import DeliveryState
from publisher.notify.pump.asking import Asking
from publisher.notify.pump.observer import Observer
from publisher.notify.pump.pump import Pump
from publisher.notify.shards.leases import LEASE, beat
from publisher.notify.wire.client import WebhookClient
from publisher.schema import ShardLeaseRow
from tests.receivers import Reply
from tests.stages.api_server import Api, running_api
from tests.stages.command import Publisher
from tests.stages.listening import Listening, Making
from tests.stages.pumps import RunningPump
from tests.stages.subscribers import BOX
from tests.waiting import eventually

ENDPOINTS, MESSAGES = 24, 400
TAKES = 100
LONGER_THAN_A_LOOK_S = 0.5
CANCELLED, HELD = DeliveryState.CANCELLED, DeliveryState.HELD
FOUND = 5  # by one look, which leaves room for other shards
Result = TypeVar("Result")


@pytest.fixture
def engine_of_api(postgres_url: str) -> Engine:
    """The API's way to the database; it is the API's to close."""
    return connect(postgres_url, pool_size=10)


@pytest.fixture
def api(postgres_url: str, engine_of_api: Engine, database: Sessions) -> Iterator[Api]:
    with running_api(
        postgres_url, engine=engine_of_api, allowed_networks="127.0.0.0/8", allow_http=True
    ) as running:
        yield running


@pytest.fixture
def client(api: Api) -> Iterator[httpx.Client]:
    with api.client(Scope.ENDPOINTS_WRITE) as client:
        yield client


def delete(client: httpx.Client, endpoint_id: UUID) -> None:
    assert client.delete(f"/v1/endpoints/{endpoint_id}").status_code == 204


def disable(client: httpx.Client, endpoint_id: UUID) -> None:
    assert client.patch(f"/v1/endpoints/{endpoint_id}", json={"enabled": False}).status_code == 200


class Begun(Observer):
    """Notes when attempts begin, and to whom."""

    def __init__(self) -> None:
        self.attempts: list[tuple[UUID, float]] = []

    def begins(self, claimed: Claimed) -> str | None:
        self.attempts.append((claimed.endpoint_id, time.monotonic()))
        return None


def begun_after(begun: Begun, silence: Callable[[UUID], None], endpoints: list[UUID]) -> Counter[UUID]:
    """Silence endpoints; return how many attempts began at each after the answer."""

    def answered(endpoint_id: UUID) -> float:
        silence(endpoint_id)
        return time.monotonic()

    with ThreadPoolExecutor(ENDPOINTS) as threads:
        answers = dict(zip(endpoints, threads.map(answered, endpoints), strict=True))
    time.sleep(LONGER_THAN_A_LOOK_S)
    return Counter(endpoint for endpoint, began in begun.attempts if began > answers[endpoint])


@contextmanager
def under_load(some: Listening) -> Iterator[tuple[Begun, list[UUID]]]:
    """Owe endpoints more than a sender with all slots full sends while it lasts."""
    made = [some.subscribe(f"/{n}", host=n + 1, max_in_flight=TAKES) for n in range(ENDPOINTS)]
    for _ in range(MESSAGES):
        some.tell(*made)
    begun = Begun()
    with RunningPump(some.sessions, BOX, observer=begun):
        eventually(lambda: some.receivers.count > 2 * TAKES)
        yield begun, made


@pytest.mark.parametrize("silence", [delete, disable])
def test_no_request_begins_after_the_answer_under_full_load(
    subscribers: Making, client: httpx.Client, silence: Callable[[httpx.Client, UUID], None]
) -> None:
    some = subscribers(lambda _: Reply(after_s=0.02))

    with under_load(some) as (begun, endpoints):
        late = begun_after(begun, partial(silence, client), endpoints)

    assert late == {}
    # The load lasted: everybody was still owed something.
    unsent = {one.endpoint_id for one in some.deliveries() if one.state in (CANCELLED, HELD)}
    assert unsent == set(endpoints)


def a_sender_stops(database: Sessions, *, after: timedelta = LEASE) -> None:
    """Let a sender own all shards, and not beat any more: its leases are over after a while."""
    with database.begin() as session:
        beat(session, new_id(), in_flight=0, busy=(), started=time.monotonic())
        session.execute(update(ShardLeaseRow).values(until=func.now() + after))


def test_a_deletion_waits_for_a_stopped_sender_until_its_lease_is_over(
    subscribers: Making, client: httpx.Client
) -> None:
    some = subscribers()
    deleted = some.subscribe()
    some.tell(deleted)
    stopped = time.monotonic()
    a_sender_stops(some.sessions, after=timedelta(seconds=1))

    delete(client, deleted)

    assert 1 <= time.monotonic() - stopped < 3


def test_so_does_a_pause(subscribers: Making, publisher: Publisher) -> None:
    some = subscribers()
    paused = some.subscribe()
    stopped = time.monotonic()
    a_sender_stops(some.sessions, after=timedelta(seconds=1))

    told = publisher("pause", str(paused))

    assert told.status == 0
    assert 1 <= time.monotonic() - stopped < 3


class BeatenBehind(Asking):
    """Lets a beat have its turn right behind the look, and notes what had begun when it asks."""

    def __init__(self, sessions: Sessions, pump: Pump, begun: Begun) -> None:
        super().__init__(sessions)
        self._pump = pump
        self._begun = begun
        self.begun_before: list[int] = []
        self.beating: asyncio.Task[None] | None = None

    async def ask(self, question: Callable[[Session], Result]) -> Result:
        self.begun_before.append(len(self._begun.attempts))
        answer = await super().ask(question)
        if self.beating is None:
            self.beating = asyncio.create_task(self._pump._beat())
        return answer


async def begun_before_look_and_beat(some: Listening) -> list[int]:
    begun = Begun()
    client = WebhookClient(allowed=[ip_network("127.0.0.0/8")])
    pump = Pump(some.sessions, client, BOX, observer=begun)
    await pump._beat()
    pump._looking.end()
    pump._looking = asking = BeatenBehind(some.sessions, pump, begun)
    async with asyncio.TaskGroup() as group:
        await pump._claim(group)
        assert asking.beating is not None
        await asking.beating
    asking.end()
    await client.aclose()
    return asking.begun_before


def test_what_a_look_has_found_has_begun_before_the_next_beat(subscribers: Making) -> None:
    some = subscribers()
    reader = some.subscribe()
    for _ in range(FOUND):
        some.tell(reader)

    assert asyncio.run(begun_before_look_and_beat(some)) == [0, FOUND]
