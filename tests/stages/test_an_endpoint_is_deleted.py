"""After an endpoint was deleted, no request to it begins, whatever waits for it."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from publisher.notify.endpoints import waiting
from publisher.notify.endpoints.store import remove
from publisher.notify.outcome import DeliveryState
from tests.receivers import Reply
from tests.stages.listening import Listening, Making
from tests.stages.pumps import RunningPump, SeveralPumps
from tests.stages.subscribers import BOX
from tests.waiting import eventually

PENDING, SUCCEEDED = DeliveryState.PENDING, DeliveryState.SUCCEEDED
HELD, CANCELLED = DeliveryState.HELD, DeliveryState.CANCELLED
IN_FLIGHT, WAITING = 2, 40


def delete(some: Listening, endpoint_id: UUID) -> None:
    """Delete an endpoint as the API does."""
    with some.sessions.begin() as session:
        remove(session, endpoint_id)


def states_of(some: Listening, endpoint_id: UUID) -> set[str]:
    return {one.state for one in some.deliveries() if one.endpoint_id == endpoint_id}


def markers_arrive(some: Listening, other: UUID) -> None:
    """Return when a message to another endpoint has come in after two more looks for what is due."""
    for _ in range(2):
        seen = len(some.receivers.received("/other"))
        some.tell(other)
        eventually(lambda seen=seen: len(some.receivers.received("/other")) > seen)  # type: ignore[misc]


@pytest.mark.parametrize("status", [204, 500], ids=["taken", "failed"])
def test_no_request_begins_afterwards(subscribers: Making, status: int) -> None:
    some = subscribers(lambda one: Reply(status=status, held=True) if one.path == "/deleted" else Reply())
    deleted = some.subscribe("/deleted", max_in_flight=IN_FLIGHT)
    other = some.subscribe("/other", host=2)
    for _ in range(WAITING):
        some.tell(deleted)
    some.tell(deleted, next_attempt_at=datetime.now(UTC) + timedelta(hours=1))

    with RunningPump(some.sessions, BOX):
        eventually(lambda: some.receivers.count == IN_FLIGHT)
        delete(some, deleted)
        some.receivers.release()
        eventually(lambda: len(some.attempts()) == IN_FLIGHT)
        some.tell(deleted)
        some.due_in(0)
        markers_arrive(some, other)

    assert len(some.receivers.received("/deleted")) == IN_FLIGHT
    assert states_of(some, deleted) == ({SUCCEEDED, CANCELLED} if status == 204 else {CANCELLED})


def test_what_only_senders_find_is_not_sent_either(
    subscribers: Making, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "SLICE", 3)
    some = subscribers()
    deleted, other = some.subscribe("/deleted"), some.subscribe("/other", host=2)
    for _ in range(WAITING):
        some.tell(deleted)
    delete(some, deleted)
    assert states_of(some, deleted) == {CANCELLED, PENDING}

    with SeveralPumps(some.sessions, BOX):
        markers_arrive(some, other)
        eventually(lambda: states_of(some, deleted) == {CANCELLED})

    assert some.receivers.received("/deleted") == []
