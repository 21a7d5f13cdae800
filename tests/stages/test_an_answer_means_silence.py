"""Once it is answered that an endpoint is deleted, disabled or paused, no request to it begins."""

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from ipaddress import ip_network
from typing import TypeVar
from uuid import UUID

import httpx
import pytest
from sqlalchemy import Engine, event, func, update
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

ENDPOINTS, MESSAGES, AT_ONCE = 36, 250, 12
TAKES = 100
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


def requests_after(
    some: Listening, silence: Callable[[UUID], None], endpoints: dict[str, UUID]
) -> dict[str, int]:
    """Silence endpoints; return how many requests came to each after the answer, by its receiver's ledger."""

    def silence_one(path: str) -> None:
        silence(endpoints[path])
        # What has come by now stands before this in the ledger.
        httpx.post(some.receivers.url(f"/after{path}"), trust_env=False)

    with ThreadPoolExecutor(AT_ONCE) as threads:
        list(threads.map(silence_one, endpoints))
    paths = [one.path for one in some.receivers.received()]
    after = {path: paths[paths.index(f"/after{path}") :].count(path) for path in endpoints}
    return {path: count for path, count in after.items() if count}


@contextmanager
def under_load(some: Listening) -> Iterator[dict[str, UUID]]:
    """Owe endpoints more than a sender with all slots full sends while it lasts."""
    made = {f"/{n}": some.subscribe(f"/{n}", host=n + 1, max_in_flight=TAKES) for n in range(ENDPOINTS)}
    for _ in range(MESSAGES):
        some.tell(*made.values())
    with RunningPump(some.sessions, BOX):
        eventually(lambda: some.receivers.count > 2 * TAKES)
        yield made


@pytest.mark.parametrize("silence", [delete, disable])
def test_no_request_begins_after_the_answer_under_full_load(
    subscribers: Making, client: httpx.Client, silence: Callable[[httpx.Client, UUID], None]
) -> None:
    some = subscribers(lambda _: Reply(after_s=0.02))

    with under_load(some) as endpoints:
        late = requests_after(some, partial(silence, client), endpoints)

    assert late == {}


@contextmanager
def statements(engine: Engine) -> Iterator[list[str]]:
    """Listen to what a database is asked."""
    asked: list[str] = []

    def listen(*told: object) -> None:
        asked.append(str(told[2]))

    event.listen(engine, "before_cursor_execute", listen)
    yield asked
    event.remove(engine, "before_cursor_execute", listen)


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


def test_a_deletion_asks_no_sender_when_nothing_was_due(
    subscribers: Making, client: httpx.Client, engine_of_api: Engine
) -> None:
    some = subscribers()
    deleted = some.subscribe()
    some.tell(deleted, next_attempt_at=datetime.now(UTC) + timedelta(minutes=1))
    some.tell(deleted, state=DeliveryState.HELD, next_attempt_at=None)
    some.tell(deleted, state=DeliveryState.SUCCEEDED, next_attempt_at=None)
    a_sender_stops(some.sessions)

    with statements(engine_of_api) as asked:
        delete(client, deleted)

    assert [one for one in asked if "DELETE FROM endpoint_secret" in one]
    assert [one for one in asked if "shard_lease" in one] == []


class Begun(Observer):
    """Counts the attempts that have begun."""

    count = 0

    def begins(self, claimed: Claimed) -> str | None:
        self.count += 1
        return None


class BeatenBehind(Asking):
    """Lets a beat have its turn right behind the look, and notes what had begun when it asks."""

    def __init__(self, sessions: Sessions, pump: Pump, begun: Begun) -> None:
        super().__init__(sessions)
        self._pump = pump
        self._begun = begun
        self.begun_before: list[int] = []
        self.beating: asyncio.Task[None] | None = None

    async def ask(self, question: Callable[[Session], Result]) -> Result:
        self.begun_before.append(self._begun.count)
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
