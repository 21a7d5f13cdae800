"""A single delivery sent again because somebody asks for it, through the API and to a real receiver."""

from collections.abc import Iterator
from uuid import UUID

import httpx
import pytest
from sqlalchemy import delete, func, select, update

from publisher.access import Scope
from publisher.database import Sessions
from publisher.ids import new_id
from publisher.notify.endpoints.disabling import disable
from publisher.notify.outcome import DeliveryState
from publisher.notify.schedule import MAX_ATTEMPTS
from publisher.schema import DeliveryRow, MessageRow
from tests.receivers import Receivers, Reply
from tests.stages.api_server import running_api
from tests.stages.pumps import RunningPump
from tests.stages.subscribers import BOX, Subscribers
from tests.waiting import eventually

PENDING = DeliveryState.PENDING


@pytest.fixture
def client(postgres_url: str, database: Sessions) -> Iterator[httpx.Client]:
    with running_api(postgres_url) as api, api.client(Scope.ENDPOINTS_WRITE) as client:
        yield client


@pytest.fixture
def subscribers(database: Sessions) -> Subscribers:
    return Subscribers(database)


def owed(subscribers: Subscribers, endpoint_id: UUID, state: DeliveryState, **columns: object) -> UUID:
    """Put a delivery in the record; return its id."""
    waiting = {} if state is PENDING else {"next_attempt_at": None}
    message_id = subscribers.tell(endpoint_id, state=state, **{**waiting, **columns})
    return next(one.id for one in subscribers.deliveries() if one.message_id == message_id)


def path(endpoint_id: object, delivery_id: object) -> str:
    return f"/v1/endpoints/{endpoint_id}/deliveries/{delivery_id}/replay"


@pytest.mark.parametrize("state", sorted(set(DeliveryState) - {PENDING}))
def test_whatever_came_of_it_it_is_due_at_once(
    client: httpx.Client, subscribers: Subscribers, state: DeliveryState
) -> None:
    mine = subscribers.subscribe()
    delivery_id = owed(subscribers, mine, state, attempts=3)
    other = owed(subscribers, mine, state)

    answer = client.post(path(mine, delivery_id))

    assert (answer.status_code, answer.json()) == (202, {"replayed": 1})
    found = {one.id: one for one in subscribers.deliveries()}
    assert (found[delivery_id].state, found[delivery_id].trigger) == (PENDING, "manual")
    assert found[delivery_id].attempts == 3
    assert found[delivery_id].next_attempt_at is not None
    assert found[other].state == state


def test_one_that_waits_for_its_next_attempt_is_due_at_once(
    client: httpx.Client, subscribers: Subscribers, database: Sessions
) -> None:
    mine = subscribers.subscribe()
    delivery_id = owed(subscribers, mine, PENDING, attempts=4)
    subscribers.due_in(3600)

    answer = client.post(path(mine, delivery_id))

    assert answer.status_code == 202
    with database() as session:
        due = select(DeliveryRow.next_attempt_at <= func.now()).where(DeliveryRow.id == delivery_id)
        assert session.scalar(due)


def test_one_that_is_due_keeps_its_place(client: httpx.Client, subscribers: Subscribers) -> None:
    mine = subscribers.subscribe()
    delivery_id = owed(subscribers, mine, PENDING)
    (before,) = subscribers.deliveries()

    client.post(path(mine, delivery_id))

    assert subscribers.deliveries()[0].next_attempt_at == before.next_attempt_at


@pytest.mark.parametrize("state", ["cancelled", "failed", "succeeded"])
def test_what_was_scrubbed_is_refused(client: httpx.Client, subscribers: Subscribers, state: str) -> None:
    mine = subscribers.subscribe()
    delivery_id = owed(subscribers, mine, DeliveryState(state), body=None)

    answer = client.post(path(mine, delivery_id))

    assert answer.status_code == 409
    assert "scrubbed" in answer.json()["detail"]
    assert subscribers.states() == {state: 1}


def test_what_is_no_longer_kept_is_refused(
    client: httpx.Client, subscribers: Subscribers, database: Sessions
) -> None:
    mine = subscribers.subscribe()
    delivery_id = owed(subscribers, mine, DeliveryState.FAILED)
    with database.begin() as session:
        session.execute(delete(MessageRow))

    answer = client.post(path(mine, delivery_id))

    assert answer.status_code == 409
    assert "no longer kept" in answer.json()["detail"]
    assert subscribers.states() == {"failed": 1}


def test_a_disabled_endpoint_is_sent_nothing(
    client: httpx.Client, subscribers: Subscribers, database: Sessions
) -> None:
    mine = subscribers.subscribe()
    delivery_id = owed(subscribers, mine, DeliveryState.FAILED)
    with database.begin() as session:
        disable(session, mine, "gone")

    answer = client.post(path(mine, delivery_id))

    assert answer.status_code == 409
    assert "enable it first" in answer.json()["detail"]
    assert subscribers.states() == {"failed": 1}


def test_what_is_not_there_is_not_found(client: httpx.Client, subscribers: Subscribers) -> None:
    mine, other = subscribers.subscribe(), subscribers.subscribe()
    delivery_id = owed(subscribers, other, DeliveryState.FAILED)

    answers = [
        client.post(path(mine, delivery_id)),
        client.post(path(other, new_id())),
        client.post(path(new_id(), delivery_id)),
        client.post(path(other, "7")),
        client.post(path("7", delivery_id)),
    ]

    assert [one.status_code for one in answers] == [404] * 5
    assert subscribers.states() == {"failed": 1}


def test_an_unknown_member_is_refused(client: httpx.Client, subscribers: Subscribers) -> None:
    mine = subscribers.subscribe()
    delivery_id = owed(subscribers, mine, DeliveryState.FAILED)

    answer = client.post(path(mine, delivery_id), json={"states": ["failed"]})

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/states"]
    assert subscribers.states() == {"failed": 1}


def test_the_same_request_twice_is_done_once(
    client: httpx.Client, subscribers: Subscribers, database: Sessions
) -> None:
    mine = subscribers.subscribe()
    delivery_id = owed(subscribers, mine, DeliveryState.FAILED)
    key = {"Idempotency-Key": "once"}

    first = client.post(path(mine, delivery_id), headers=key)
    with database.begin() as session:
        session.execute(update(DeliveryRow).values(state=DeliveryState.SUCCEEDED))
    again = client.post(path(mine, delivery_id), headers=key)

    assert (first.json(), again.json()) == ({"replayed": 1}, {"replayed": 1})
    assert again.headers["idempotency-replayed"] == "true"
    assert subscribers.states() == {"succeeded": 1}


def test_it_arrives_under_the_same_id_even_after_its_last_attempt(
    client: httpx.Client, database: Sessions
) -> None:
    answers = iter([500, 204, 204])
    with Receivers(lambda _: Reply(status=next(answers))) as receivers:
        some = Subscribers(database, lambda route, host: receivers.url(route, host=host))
        mine = some.subscribe("/mine")
        delivery_id = owed(some, mine, PENDING, attempts=MAX_ATTEMPTS - 1)
        with RunningPump(database, BOX):
            eventually(lambda: some.all_are(DeliveryState.FAILED))
            client.post(path(mine, delivery_id))
            eventually(lambda: some.all_are(DeliveryState.SUCCEEDED))
            client.post(path(mine, delivery_id))
            eventually(lambda: len(some.attempts()) == 3)

        received = receivers.received("/mine")
        assert len({one.headers["webhook-id"] for one in received}) == 1
        assert [(one.number, one.trigger, one.status) for one in some.attempts()] == [
            (MAX_ATTEMPTS, "auto", 500),
            (MAX_ATTEMPTS + 1, "manual", 204),
            (MAX_ATTEMPTS + 2, "manual", 204),
        ]


def test_what_is_on_its_way_is_sent_again_if_it_does_not_arrive(
    client: httpx.Client, database: Sessions
) -> None:
    with Receivers(lambda _: Reply(status=500, after_s=1.0)) as receivers:
        some = Subscribers(database, lambda where, host: receivers.url(where, host=host))
        mine = some.subscribe()
        delivery_id = owed(some, mine, PENDING, attempts=MAX_ATTEMPTS - 1)
        with RunningPump(database, BOX):
            eventually(receivers.received)
            assert client.post(path(mine, delivery_id)).status_code == 202
            receivers.answer(lambda _: Reply())
            eventually(lambda: some.all_are(DeliveryState.SUCCEEDED))

    assert [one.trigger for one in some.attempts()] == ["auto", "manual"]
