"""A redirect is a failure like any other, and where it leads to is never contacted."""

import pytest

from publisher.notify.outcome import DeliveryState
from tests.receivers import Receivers, Reply
from tests.stages.listening import Making
from tests.stages.pumps import RunningPump
from tests.stages.subscribers import BOX
from tests.waiting import eventually


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 305, 307, 308])
def test_a_redirect_is_a_failure_and_its_target_is_never_contacted(subscribers: Making, status: int) -> None:
    with Receivers() as target:
        some = subscribers(lambda _: Reply(status=status, headers={"location": target.url("/target")}))
        some.tell(some.subscribe("/moved"))

        with RunningPump(some.sessions, BOX):
            eventually(some.attempts)

    (delivery,), (attempt,) = some.deliveries(), some.attempts()
    assert (delivery.state, delivery.attempts, delivery.last_status) == (DeliveryState.PENDING, 1, status)
    assert (attempt.status, attempt.error) == (status, None)
    assert (target.count, some.receivers.count) == (0, 1)
