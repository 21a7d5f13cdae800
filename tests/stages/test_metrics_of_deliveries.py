"""What metrics show of deliveries: how much waits, for how long, and what failed, and why."""

from datetime import UTC, datetime, timedelta

from prometheus_client import CollectorRegistry
from sqlalchemy import update

from publisher.database import Sessions
from publisher.notify.memory.circuits import UNANSWERED
from publisher.notify.outcome import DeliveryState
from publisher.schema import EndpointRow
from tests.receivers import Reply
from tests.stages.listening import Making
from tests.stages.pumps import RunningPump
from tests.stages.subscribers import BOX, Subscribers
from tests.waiting import eventually
from workers.metrics.record import RecordMeters
from workers.metrics.sending import SenderMeters


def value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(name, labels)


def test_the_record_shows_how_much_waits_for_receivers_and_for_how_long(database: Sessions) -> None:
    some, registry = Subscribers(database), CollectorRegistry()
    reader = some.subscribe()
    for minutes in (-1, -0.5, -0.1, 60):
        some.tell(reader, next_attempt_at=datetime.now(UTC) + timedelta(minutes=minutes))
    for state in (DeliveryState.HELD, DeliveryState.FAILED, DeliveryState.FAILED, DeliveryState.SUCCEEDED):
        some.tell(reader, state=state, next_attempt_at=None)

    RecordMeters(database, registry).look()

    assert value(registry, "publisher_waiting", stage="deliver") == 3
    assert 60 <= (value(registry, "publisher_oldest_age_seconds", stage="deliver") or 0) < 120
    states = ("pending", "held", "failed")
    assert [value(registry, "publisher_deliveries", state=state) for state in states] == [4, 1, 2]


def test_a_circuit_that_opens_is_counted_and_so_is_why(subscribers: Making) -> None:
    some, registry = subscribers(), CollectorRegistry()
    reader = some.subscribe(max_in_flight=1)
    with some.sessions.begin() as session:
        session.execute(update(EndpointRow).values(url="http://127.0.0.1:9/"))
    for _ in range(UNANSWERED + 5):
        some.tell(reader)

    with RunningPump(some.sessions, BOX, observer=SenderMeters(registry)):
        eventually(lambda: value(registry, "publisher_circuits_opened_total") == 1)

    assert value(registry, "publisher_attempts_total", result="connect") == UNANSWERED
    assert value(registry, "publisher_deliveries_ended_total", state="failed") == 0


def test_attempts_that_are_given_up_for_want_of_an_answer_are_counted(subscribers: Making) -> None:
    some, registry = subscribers(lambda _: Reply(held=True)), CollectorRegistry()
    some.tell(some.subscribe(timeout_s=1), attempts=9)

    with RunningPump(some.sessions, BOX, observer=SenderMeters(registry)):
        eventually(lambda: value(registry, "publisher_deliveries_ended_total", state="failed") == 1)

    assert value(registry, "publisher_attempts_total", result="timeout") == 1
