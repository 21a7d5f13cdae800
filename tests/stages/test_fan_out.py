"""From an event to one message, and from that to a delivery for each endpoint that is to get it."""

import json
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from uuid import UUID

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from publisher.database import Sessions
from publisher.events import EventType
from publisher.notify.endpoints.disabling import disable
from publisher.notify.endpoints.endpoint_in import EndpointIn
from publisher.notify.endpoints.store import create, remove, send_test
from publisher.notify.fan_out import audience, stage
from publisher.notify.fan_out.happened import load_happened
from publisher.notify.fan_out.stage import prepare, store_deliveries
from publisher.notify.outcome import DeliveryState
from publisher.notify.secrets.box import SecretBox
from publisher.outbox.obligation import Done, Fate, Obligation, Postponed
from publisher.retract import retract
from publisher.schema import ArticleRow, DeliveryRow, EndpointRow, MessageRow, RevisionRow
from tests.stages.articles import ARCHIVE, owed, published, recorded, run, run_enrich, run_publish
from tests.stages.lock_order import locks_by_id

BOX = SecretBox("a key that only tests use")
PENDING, HELD, CANCELLED = DeliveryState.PENDING, DeliveryState.HELD, DeliveryState.CANCELLED
LOAD = partial(load_happened, archive=ARCHIVE)


def endpoint(session: Session, *event_types: str, **members: object) -> UUID:
    wanted = {"url": "https://example.com/hook", "event_types": list(event_types) or ["article.*"], **members}
    return create(session, EndpointIn.model_validate(wanted), box=BOX)[0].id


def run_fan_out(session: Session) -> list[Fate]:
    return list(run(session, "fan_out", LOAD, prepare, store_deliveries).values())


def correct(session: Session, **fields: object) -> None:
    recorded(session, title="Một tiêu đề khác", **fields)
    run_enrich(session)
    run_publish(session)


def deliveries(session: Session, endpoint_id: UUID) -> Sequence[tuple[int | None, str]]:
    """Return sequence and state of what an endpoint is owed."""
    rows = session.execute(
        select(DeliveryRow.sequence, DeliveryRow.state)
        .where(DeliveryRow.endpoint_id == endpoint_id)
        .order_by(DeliveryRow.sequence)
    )
    return [(row.sequence, row.state) for row in rows]


def told(session: Session) -> list[str]:
    """Return the types of the messages."""
    return list(session.scalars(select(MessageRow.type).order_by(MessageRow.id)))


def test_a_published_article_is_owed_to_every_endpoint_that_asks_for_it(session: Session) -> None:
    asking = [endpoint(session), endpoint(session, "*"), endpoint(session, "article.published")]
    others = [endpoint(session, "article.retracted"), endpoint(session, "endpoint.*")]
    published(session)

    fates = run_fan_out(session)

    assert fates == [Done(outcome="fanned_out")]
    assert [deliveries(session, one) for one in asking] == [[(1, PENDING)]] * 3
    assert [deliveries(session, one) for one in others] == [[]] * 2


def test_a_message_is_stored_once_however_many_get_it(session: Session) -> None:
    for _ in range(5):
        endpoint(session)
    identifier = published(session)

    run_fan_out(session)

    message = session.scalars(select(MessageRow)).one()
    assert message.body is not None
    body = json.loads(message.body)
    assert body["type"] == "article.published"
    assert (body["data"]["id"], body["data"]["sequence"]) == (str(identifier), 1)
    assert body["data"]["link"] == "https://news.example/a"


def test_an_article_outside_the_categories_of_an_endpoint_is_not_owed_to_it(session: Session) -> None:
    society = endpoint(session, categories=["xa hoi"])
    sports = endpoint(session, categories=["Thể thao"])
    published(session, categories=("Xã hội",))

    run_fan_out(session)

    assert deliveries(session, society) == [(1, PENDING)]
    assert deliveries(session, sports) == []


def test_an_endpoint_that_was_made_later_is_not_told_of_the_past(session: Session) -> None:
    late = endpoint(session)
    session.execute(update(EndpointRow).values(created_at=func.now() + timedelta(milliseconds=1)))
    published(session)

    run_fan_out(session)

    assert deliveries(session, late) == []
    assert told(session) == ["article.published"]


def test_what_happens_while_an_endpoint_is_disabled_is_held_for_it(session: Session) -> None:
    disabled, gone = endpoint(session), endpoint(session)
    disable(session, disabled, "manual")
    remove(session, gone)
    published(session)

    run_fan_out(session)

    assert deliveries(session, disabled) == [(1, HELD)]
    assert deliveries(session, gone) == []


def test_a_fan_out_that_runs_twice_changes_nothing(session: Session) -> None:
    reader = endpoint(session)
    published(session)
    obligations = owed(session, "fan_out")
    messages = {one: prepare(value) for one, value in LOAD(session, obligations).items()}
    store_deliveries(session, messages)

    store_deliveries(session, messages)

    assert deliveries(session, reader) == [(1, PENDING)]
    assert told(session) == ["article.published"]


def test_an_article_that_is_published_without_notice_makes_no_message(session: Session) -> None:
    reader = endpoint(session)
    published(session, notify=False)

    fates = run_fan_out(session)

    assert fates == [Done(outcome="silent")]
    assert (deliveries(session, reader), told(session)) == ([], [])


def test_a_correction_takes_the_place_of_what_was_never_sent(session: Session) -> None:
    reader = endpoint(session)
    published(session)
    run_fan_out(session)
    correct(session)

    run_fan_out(session)

    assert deliveries(session, reader) == [(1, CANCELLED), (2, PENDING)]


def test_a_correction_takes_the_place_of_what_was_tried_in_vain(session: Session) -> None:
    reader = endpoint(session)
    published(session)
    run_fan_out(session)
    session.execute(update(DeliveryRow).values(attempts=1))
    correct(session)

    run_fan_out(session)

    assert deliveries(session, reader) == [(1, CANCELLED), (2, PENDING)]


def test_what_several_messages_overtake_is_locked_in_the_order_of_ids(database: Sessions) -> None:
    with database.begin() as session:
        endpoint(session)
        for number in range(2):
            published(session, url=f"https://news.example/{number}")
        run_fan_out(session)
        low, high = sorted(session.scalars(select(DeliveryRow.id)))
        # The message that is written first overtakes the delivery with the higher id.
        later = session.scalar(select(DeliveryRow.article_id).where(DeliveryRow.id == high))
        urls = [f"https://news.example/{number}" for number in range(2)]
        if session.scalar(select(RevisionRow.url).where(RevisionRow.article_id == later)) == urls[1]:
            urls.reverse()
        for url in urls:
            correct(session, url=url)

    assert locks_by_id(database, low, high, run_fan_out)


def test_an_endpoint_that_asks_for_no_corrections_still_gets_the_article(session: Session) -> None:
    reader = endpoint(session, "article.published")
    published(session)
    run_fan_out(session)
    correct(session)

    run_fan_out(session)

    assert deliveries(session, reader) == [(1, PENDING)]


def test_a_late_fan_out_of_an_older_revision_leaves_out_who_has_a_newer_one(session: Session) -> None:
    both, first_only = endpoint(session), endpoint(session, "article.published")
    published(session)
    correct(session)
    obligations = owed(session, "fan_out")
    messages = {one: prepare(value) for one, value in LOAD(session, obligations).items()}
    first, second = messages.items()
    store_deliveries(session, dict([second]))

    store_deliveries(session, dict([first]))

    assert deliveries(session, both) == [(2, PENDING)]
    assert deliveries(session, first_only) == [(1, PENDING)]


def test_a_retraction_cancels_what_waits_and_is_told_to_who_has_the_article(session: Session) -> None:
    reader, first_only = endpoint(session), endpoint(session, "article.published")
    never = endpoint(session, "article.retracted")
    disabled = endpoint(session)
    disable(session, disabled, "manual")
    identifier = published(session)
    run_fan_out(session)
    retract(session, identifier, reason="sai sự thật")

    run_fan_out(session)

    assert deliveries(session, reader) == [(1, CANCELLED), (2, PENDING)]
    assert deliveries(session, first_only) == [(1, CANCELLED)]
    assert deliveries(session, never) == []
    assert deliveries(session, disabled) == [(1, CANCELLED), (2, HELD)]


def test_a_retraction_reaches_who_has_the_article_even_when_its_category_has_changed(
    session: Session,
) -> None:
    society = endpoint(session, categories=["Xã hội"])
    identifier = published(session, categories=("Xã hội",))
    run_fan_out(session)
    correct(session, categories=("Thể thao",))
    run_fan_out(session)
    retract(session, identifier, reason=None)

    run_fan_out(session)

    assert deliveries(session, society) == [(1, CANCELLED), (3, PENDING)]


def test_a_retraction_tells_nothing_of_the_content(session: Session) -> None:
    endpoint(session)
    identifier = published(session)
    run_fan_out(session)
    retract(session, identifier, reason="sai sự thật")

    run_fan_out(session)

    first, notice = session.scalars(select(MessageRow).order_by(MessageRow.id))
    assert first.body is None
    assert notice.body is not None
    assert json.loads(notice.body)["data"].keys() == {
        "id",
        "uri",
        "sequence",
        "url",
        "retracted_at",
        "reason",
    }


def test_a_fan_out_that_comes_after_the_retraction_writes_nothing(session: Session) -> None:
    reader = endpoint(session)
    identifier = published(session)
    obligations = owed(session, "fan_out")
    messages = {one: prepare(value) for one, value in LOAD(session, obligations).items()}
    retract(session, identifier, reason=None)

    fates = store_deliveries(session, messages)

    assert list(fates.values()) == [Done(outcome="superseded")]
    assert (deliveries(session, reader), told(session)) == ([], [])


def test_what_was_published_before_a_retraction_stays_unsaid_after_a_restoration(session: Session) -> None:
    reader = endpoint(session)
    identifier = published(session)
    retract(session, identifier, reason=None)
    recorded(session, restore=True)
    run_enrich(session)
    run_publish(session)

    fates = run_fan_out(session)

    assert fates.count(Done(outcome="superseded")) == 1
    assert deliveries(session, reader) == [(3, PENDING)]
    assert told(session) == ["article.retracted", "article.published"]


def test_many_endpoints_are_written_in_slices_each_of_them_once(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audience, "SLICE", 3)
    monkeypatch.setattr(stage, "START_S", 0.0)
    readers = [endpoint(session) for _ in range(10)]
    published(session)

    starts = [run_fan_out(session) for _ in range(4)]

    assert [type(fate) for start in starts for fate in start] == [Postponed, Postponed, Postponed, Done]
    assert [deliveries(session, one) for one in readers] == [[(1, PENDING)]] * 10


def test_only_the_first_of_many_messages_is_begun_after_the_deadline(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "START_S", 0.0)
    reader = endpoint(session)
    for number in range(3):
        published(session, url=f"https://news.example/{number}")

    starts = [run_fan_out(session) for _ in range(3)]

    late, done = Postponed(), Done(outcome="fanned_out")
    assert [sorted(start, key=str) for start in starts] == [[done, late, late], [done, late], [done]]
    assert deliveries(session, reader) == [(1, PENDING)] * 3


def test_a_retraction_cancels_in_slices_too(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    readers = [endpoint(session) for _ in range(7)]
    identifier = published(session)
    run_fan_out(session)
    monkeypatch.setattr(audience, "SLICE", 3)
    monkeypatch.setattr(stage, "START_S", 0.0)
    retract(session, identifier, reason=None)

    starts = [run_fan_out(session) for _ in range(3)]

    assert [type(fate) for start in starts for fate in start] == [Postponed, Postponed, Done]
    assert [deliveries(session, one) for one in readers] == [[(1, CANCELLED), (2, PENDING)]] * 7


def test_a_test_goes_to_its_endpoint_alone_whatever_it_asks_for(session: Session) -> None:
    tested, other = endpoint(session), endpoint(session, "*")
    send_test(session, tested)

    run_fan_out(session)

    assert deliveries(session, tested) == [(None, PENDING)]
    assert deliveries(session, other) == []


def test_that_an_endpoint_was_disabled_is_told_to_who_asks(session: Session) -> None:
    watching, disabled = endpoint(session, "endpoint.disabled"), endpoint(session)
    disable(session, disabled, "gone")

    run_fan_out(session)

    assert deliveries(session, watching) == [(None, PENDING)]
    assert deliveries(session, disabled) == []


def test_an_event_is_told_with_the_time_of_the_record(database: Sessions) -> None:
    with database.begin() as session:
        endpoint(session)
        published(session)
        obligations = owed(session, "fan_out")

        happened = LOAD(session, obligations)

        now = session.scalar(select(func.now()))
    assert [one.time for one in happened.values()] == [now]


def test_an_event_of_an_article_that_is_not_there_is_left_out(session: Session) -> None:
    published(session)
    real = owed(session, "fan_out")[0]
    missing = Obligation(
        event_id=real.event_id,
        task=real.task,
        type=EventType.ARTICLE_CORRECTED,
        subject=UUID(int=1),
        queued_at=real.queued_at,
        started_at=real.started_at,
        data={"sequence": 1},
    )

    happened = LOAD(session, [missing])

    assert happened == {}


def test_the_trace_of_a_request_leads_to_its_message(session: Session) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    endpoint(session)
    identifier = published(session, traceparent=trace)
    run_fan_out(session)
    correct(session)
    run_fan_out(session)
    retract(session, identifier, reason=None, traceparent=trace)
    run_fan_out(session)

    traces = session.execute(select(MessageRow.type, MessageRow.traceparent).order_by(MessageRow.id)).all()

    assert [tuple(row) for row in traces] == [
        ("article.published", trace),
        ("article.corrected", None),
        ("article.retracted", trace),
    ]


def test_a_message_knows_since_when_there_was_something_to_tell(session: Session) -> None:
    endpoint(session)
    embargo_over = session.scalar(select(func.now() - timedelta(minutes=5)))
    identifier = published(session, visible_from=embargo_over)
    received_at = session.scalar(select(ArticleRow.received_at).where(ArticleRow.id == identifier))
    run_fan_out(session)

    accepted_at = session.scalar(select(MessageRow.accepted_at))

    assert accepted_at == received_at
