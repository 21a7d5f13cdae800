"""A receiver that answers 410 is sent nothing more: what waits is held, and whoever asks is told once."""

import json
import threading
from functools import partial
from uuid import UUID

from sqlalchemy import func, select

from publisher.events import EventType
from publisher.notify.fan_out.happened import load_happened
from publisher.notify.fan_out.stage import prepare, store_deliveries
from publisher.notify.outcome import DeliveryState
from publisher.schema import AttemptRow, EventRow
from tests.receivers import Reply
from tests.stages.articles import ARCHIVE, run
from tests.stages.listening import Listening, Making
from tests.stages.pumps import RunningPump
from tests.stages.subscribers import BOX
from tests.waiting import eventually

SUCCEEDED, HELD = DeliveryState.SUCCEEDED, DeliveryState.HELD
AT_ONCE, WAITING = 20, 30


def fan_out(some: Listening) -> None:
    """Turn what happened into deliveries."""
    load = partial(load_happened, archive=ARCHIVE)
    with some.sessions.begin() as session:
        run(session, "fan_out", load, prepare, store_deliveries)


def test_of_twenty_that_fail_at_once_it_is_told_once_and_the_rest_is_held(subscribers: Making) -> None:
    hangs = threading.Event()
    hangs.set()
    some = subscribers(lambda one: Reply(status=410, held=hangs.is_set()) if one.path == "/gone" else Reply())
    gone, other = some.subscribe("/gone", max_in_flight=AT_ONCE), some.subscribe("/other")
    watching = some.subscribe("/watching", event_types=["endpoint.disabled"])
    for _ in range(AT_ONCE + WAITING):
        some.tell(gone)

    with RunningPump(some.sessions, BOX):
        eventually(lambda: some.receivers.count == AT_ONCE)
        hangs.clear()
        # Some fail together, and the others when it is known already.
        some.receivers.release(AT_ONCE // 2)
        eventually(lambda: not some.endpoint(gone).enabled)
        some.receivers.release()
        eventually(lambda: some.states() == {HELD: AT_ONCE + WAITING})
        eventually(lambda: _tried(some, gone) == len(some.receivers.received("/gone")))
        tried = _tried(some, gone)
        fan_out(some)
        eventually(lambda: some.receivers.received("/watching"))
        some.tell(gone, other)
        eventually(lambda: some.states() == {HELD: AT_ONCE + WAITING + 1, SUCCEEDED: 2})

    (told,) = some.receivers.received("/watching")
    data = json.loads(told.body)["data"]
    assert (data["id"], data["disabled_reason"]) == (str(gone), "gone")
    assert len(some.receivers.received("/gone")) == tried >= AT_ONCE
    endpoints = [some.endpoint(one) for one in (gone, other, watching)]
    assert [(one.enabled, one.disabled_reason) for one in endpoints] == [
        (False, "gone"),
        (True, None),
        (True, None),
    ]
    with some.sessions() as session:
        disabled = session.scalar(select(func.count()).where(EventRow.type == EventType.ENDPOINT_DISABLED))
    assert disabled == 1


def _tried(some: Listening, endpoint_id: UUID) -> int:
    with some.sessions() as session:
        return session.scalar(select(func.count()).where(AttemptRow.endpoint_id == endpoint_id)) or 0
