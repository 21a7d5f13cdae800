"""What is counted, and what the log says of it: each thing once, and only after it was committed."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import Engine, event, func, text, update
from structlog.testing import capture_logs

from publisher.access import Scope
from publisher.database import Sessions, connect, sessions
from publisher.events import EventType
from publisher.ids import new_id
from publisher.outbox.emit import emit
from publisher.outbox.obligation import Done, Failed, Obligation, Postponed
from publisher.schema import EventTaskRow, MessageRow, PauseRow, ShardLeaseRow
from tests.receivers import Receivers, Reply
from tests.stages.api_server import Api, article, running_api
from tests.stages.pumps import RunningPump
from tests.stages.subscribers import BOX, Subscribers
from tests.waiting import eventually
from workers.handled import Handled
from workers.metrics.record import RecordMeters
from workers.metrics.sending import SenderMeters
from workers.metrics.steps import StepMeters
from workers.metrics.wire import Tally, Wire, tally_of

AT = datetime(2026, 1, 1, tzinfo=UTC)
OUTCOMES = ("created", "unchanged", "revised", "restored")
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def api(database: Sessions, postgres_url: str) -> Iterator[Api]:
    with running_api(postgres_url) as running:
        yield running


@pytest.fixture
def client(api: Api) -> Iterator[httpx.Client]:
    with api.client(Scope.ARTICLES_WRITE) as client:
        yield client


def value(registry: CollectorRegistry, name: str, **labels: str) -> float:
    return registry.get_sample_value(name, labels) or 0


def obligation(number: int, **fields: Any) -> Obligation:
    return Obligation(
        event_id=UUID(int=number),
        task="publish",
        type=EventType.ARTICLE_ENRICHED,
        subject=UUID(int=number),
        queued_at=AT,
        started_at=AT,
        **fields,
    )


def test_an_article_is_counted_by_what_became_of_it(api: Api, client: httpx.Client) -> None:
    sent = article()
    for body in (sent, sent, {**sent, "title": "Nước rút"}):
        client.post("/v1/articles", json=body)
    client.post("/v1/articles:batch", content=b"", headers={"content-type": "application/x-ndjson"})
    client.get("/feeds/none.atom")

    outcomes = {one: value(api.registry, "publisher_accepted_total", outcome=one) for one in OUTCOMES}
    assert outcomes == {"created": 1, "unchanged": 1, "revised": 1, "restored": 0}
    expected = {("api", "201"): 1, ("api", "200"): 2, ("batch", "200"): 1, ("feeds", "404"): 1}

    def answered() -> dict[tuple[str, str], float | None]:
        return {
            (area, status): value(api.registry, "publisher_http_requests_total", area=area, status=status)
            for area, status in expected
        }

    # A request is counted when it is over; its client may have had the answer a moment before.
    eventually(lambda: answered() == expected)
    assert value(api.registry, "publisher_http_request_duration_seconds_count", area="api") == 3
    assert value(api.registry, "publisher_http_requests_in_flight") == 0


def test_an_answer_that_is_repeated_counts_and_is_told_once(api: Api, client: httpx.Client) -> None:
    headers = {"idempotency-key": "once", "traceparent": TRACE}
    body = article()

    with capture_logs() as logs:
        first, second = (client.post("/v1/articles", json=body, headers=headers) for _ in range(2))

    assert second.headers["idempotency-replayed"] == "true"
    assert value(api.registry, "publisher_accepted_total", outcome="created") == 1
    assert [one for one in logs if one["event"] == "article.accepted"] == [
        {
            "event": "article.accepted",
            "log_level": "info",
            "article_id": first.json()["id"],
            "outcome": "created",
            "sequence": 1,
            "traceparent": TRACE,
        }
    ]


def test_what_is_refused_is_no_accepted_article(api: Api, client: httpx.Client) -> None:
    with capture_logs() as logs:
        refused = client.post("/v1/articles", json=article(title=""))

    assert refused.status_code == 422
    assert sum(value(api.registry, "publisher_accepted_total", outcome=one) for one in OUTCOMES) == 0
    # A request is counted when it is over; its client may have had the answer a moment before.
    eventually(lambda: value(api.registry, "publisher_http_requests_total", area="api", status="422") == 1)
    assert [one["event"] for one in logs] == []


def test_a_batch_is_told_in_one_line_with_the_id_of_each_article(api: Api, client: httpx.Client) -> None:
    lines = b"".join(httpx.Request("POST", api.url, json=article()).content + b"\n" for _ in range(3))
    headers = {"content-type": "application/x-ndjson", "traceparent": TRACE}

    with capture_logs() as logs:
        answers = client.post("/v1/articles:batch", content=lines + b"{}\n", headers=headers)

    ids = [line["id"] for line in map(json.loads, answers.text.splitlines()) if "id" in line]
    told = [one for one in logs if one["event"] == "articles.accepted"]
    assert [article for one in told for article in one["articles"]] == [f"{one} created 1" for one in ids]
    assert {one["traceparent"] for one in told} == {TRACE}
    assert value(api.registry, "publisher_accepted_total", outcome="created") == 3


def test_a_takedown_is_told_once(api: Api, client: httpx.Client) -> None:
    sent = client.post("/v1/articles", json=article()).json()

    with capture_logs() as logs:
        for _ in range(2):
            client.delete(f"/v1/articles/{sent['id']}", headers={"traceparent": TRACE})

    told = [one for one in logs if one["event"] == "article.retracted"]
    assert [(one["article_id"], one["traceparent"]) for one in told] == [(sent["id"], TRACE)]


def test_the_record_shows_what_waits_what_is_stuck_and_what_is_paused(database: Sessions) -> None:
    registry = CollectorRegistry()
    record = RecordMeters(database, registry)
    with database.begin() as session:
        events = [emit(session, EventType.ARTICLE_RECEIVED, new_id(), {"sequence": 1}) for _ in range(3)]
        session.execute(update(EventTaskRow).where(EventTaskRow.event_id == events[0]).values(stuck=True))
        session.execute(
            update(EventTaskRow)
            .where(EventTaskRow.event_id == events[1])
            .values(due_at=func.now() - timedelta(minutes=1))
        )
        session.add(PauseRow(task="feeds"))
        session.execute(
            update(ShardLeaseRow)
            .where(ShardLeaseRow.shard < 10)
            .values(holder=new_id(), until=func.now() + timedelta(minutes=1))
        )

    record.look()

    assert value(registry, "publisher_database_up") == 1
    assert value(registry, "publisher_waiting", stage="enrich") == 2
    assert value(registry, "publisher_stuck", stage="enrich") == 1
    assert 60 <= value(registry, "publisher_oldest_age_seconds", stage="enrich") < 120
    assert registry.get_sample_value("publisher_in_flight", {"stage": "deliver"}) == 0
    assert registry.get_sample_value("publisher_deliveries", {"state": "failed"}) == 0
    assert value(registry, "publisher_paused", task="feeds") == 1
    assert value(registry, "publisher_shards_held") == 10


def test_a_scrape_asks_the_database_nothing(database: Sessions, engine: Engine) -> None:
    registry, asked = CollectorRegistry(), []
    record = RecordMeters(database, registry)
    record.look()

    def note(*arguments: Any) -> None:
        asked.append(arguments)

    event.listen(engine, "before_cursor_execute", note)
    up = value(registry, "publisher_database_up")
    event.remove(engine, "before_cursor_execute", note)

    assert (up, asked) == (1, [])


def test_a_look_that_takes_too_long_does_not_say_that_the_database_is_away(
    database: Sessions, postgres_url: str
) -> None:
    registry = CollectorRegistry()
    impatient = connect(postgres_url, lock_timeout_s=0.05)
    record = RecordMeters(sessions(impatient, {}), registry)
    record.look()

    with database() as session:
        session.execute(text("LOCK TABLE event_task IN ACCESS EXCLUSIVE MODE"))
        record.look()

    impatient.dispose()
    assert value(registry, "publisher_database_up") == 1
    assert registry.get_sample_value("publisher_waiting", {"stage": "enrich"}) is None


def test_steps_are_counted_by_what_became_of_them() -> None:
    registry = CollectorRegistry()
    meters = StepMeters(registry)
    published, again, failed, back, lost = (obligation(number) for number in range(5))
    fates = {
        published: Done(outcome="published", accepted_at=AT - timedelta(seconds=3)),
        again: Postponed(),
        failed: Failed(error="no"),
        back: None,
    }
    handled = Handled(
        task="publish", obligations=[published, again, failed, back, lost], fates=fates, took_s=0.5
    )

    meters.count(tally_of(handled))
    meters.count(tally_of(Handled(task="publish", obligations=[], fates={}, took_s=0.0)))

    outcomes = ("published", "postponed", "failed", "handed back", "lost")
    counted = [value(registry, "publisher_steps_total", task="publish", outcome=one) for one in outcomes]
    assert counted == [1, 1, 1, 1, 1]
    assert value(registry, "publisher_accepted_to_published_seconds_sum") == 3.5
    assert value(registry, "publisher_message_duration_seconds_count", task="publish") == 1
    assert value(registry, "publisher_void_messages_total", task="publish") == 1


def test_what_was_told_before_anybody_listened_counts() -> None:
    registry, wire = CollectorRegistry(), Wire()
    for number in range(100):
        wire.tell(Handled(task="publish", obligations=[obligation(number)], fates={}, took_s=0.1))

    wire.hear(StepMeters(registry).count)

    eventually(lambda: value(registry, "publisher_steps_total", task="publish", outcome="lost") == 100)


@pytest.mark.parametrize("garbage", [b"", b"\xff", b"[]", b"{}", b"7", b'{"task": 1}', b"x" * 10_000])
def test_garbage_on_the_wire_ends_no_counting(garbage: bytes) -> None:
    registry, wire = CollectorRegistry(), Wire()
    wire.hear(StepMeters(registry).count)

    wire._mouth.send(garbage)
    wire.tell(Handled(task="publish", obligations=[obligation(1)], fates={}, took_s=0.1))

    eventually(lambda: value(registry, "publisher_steps_total", task="publish", outcome="lost") == 1)


def test_a_tally_that_cannot_be_counted_ends_no_counting() -> None:
    registry, wire, heard = CollectorRegistry(), Wire(), []
    meters = StepMeters(registry)

    def count(tally: Tally) -> None:
        heard.append(tally)
        if len(heard) == 1:
            raise LookupError
        meters.count(tally)

    wire.hear(count)
    for number in range(2):
        wire.tell(Handled(task="publish", obligations=[obligation(number)], fates={}, took_s=0.1))

    eventually(lambda: value(registry, "publisher_steps_total", task="publish", outcome="lost") == 1)


def test_attempts_are_counted_by_what_the_receiver_did(database: Sessions) -> None:
    registry = CollectorRegistry()
    replies = iter([Reply(status=503), Reply()])
    with Receivers(lambda _: next(replies)) as receivers:
        some = Subscribers(database, lambda path, host: receivers.url(path))
        some.tell(some.subscribe())
        _accepted_a_minute_ago(database)
        with RunningPump(database, BOX, observer=SenderMeters(registry)):
            eventually(some.attempts)
            eventually(lambda: value(registry, "publisher_sender_shards") == 64)
            some.due_in(0.0)
            eventually(lambda: value(registry, "publisher_deliveries_ended_total", state="succeeded") == 1)

    results = {one: value(registry, "publisher_attempts_total", result=one) for one in ("5xx", "2xx")}
    assert results == {"5xx": 1, "2xx": 1}
    assert value(registry, "publisher_retries_total") == 1
    assert value(registry, "publisher_attempt_duration_seconds_count") == 2
    assert value(registry, "publisher_attempts_not_ours_total") == 0
    assert value(registry, "publisher_accepted_to_delivered_seconds_count") == 1
    assert 60 <= value(registry, "publisher_accepted_to_delivered_seconds_sum") < 120


def test_a_replay_does_not_look_late(database: Sessions) -> None:
    registry = CollectorRegistry()
    with Receivers() as receivers:
        some = Subscribers(database, lambda path, host: receivers.url(path))
        some.tell(some.subscribe(), trigger="replay")
        _accepted_a_minute_ago(database)
        with RunningPump(database, BOX, observer=SenderMeters(registry)):
            eventually(lambda: value(registry, "publisher_deliveries_ended_total", state="succeeded") == 1)

    assert value(registry, "publisher_accepted_to_delivered_seconds_count") == 0


def _accepted_a_minute_ago(database: Sessions) -> None:
    with database.begin() as session:
        session.execute(update(MessageRow).values(accepted_at=func.now() - timedelta(minutes=1)))
