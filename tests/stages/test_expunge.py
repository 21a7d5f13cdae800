"""`publisher expunge`: what was sent of a retracted article is forgotten, and its notice is still told."""

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from uuid import UUID

import pytest
from sqlalchemy import func, insert, select, text, update
from structlog.testing import capture_logs

from publisher.database import Sessions
from publisher.errors import Conflict
from publisher.events import EventType
from publisher.notify.fan_out.happened import load_happened
from publisher.notify.fan_out.stage import prepare, store_deliveries
from publisher.notify.history import expunge as expunging
from publisher.notify.history.expunge import expunge, remaining
from publisher.notify.outcome import DeliveryState
from publisher.retract import retract
from publisher.schema import ArticleRow, AttemptRow, DeliveryRow, MessageRow
from tests.receivers import Receivers, Reply
from tests.stages.articles import ARCHIVE, published, recorded, run
from tests.stages.command import Publisher
from tests.stages.pumps import RunningPump
from tests.stages.subscribers import BOX, Subscribers
from tests.waiting import eventually

HELD, PENDING, SUCCEEDED = DeliveryState.HELD, DeliveryState.PENDING, DeliveryState.SUCCEEDED


@pytest.fixture
def receivers() -> Iterator[Receivers]:
    """Receivers that say in head and body what they were sent."""
    with Receivers(lambda one: Reply(status=200, headers={"x-said": "Đã nhận"}, body=one.body)) as started:
        yield started


@pytest.fixture
def readers(database: Sessions, receivers: Receivers) -> Subscribers:
    """Two who are told of articles."""
    some = Subscribers(database, lambda path, host: receivers.url(path, host=host))
    for host in (1, 2):
        some.subscribe("/hook", host=host)
    return some


def fan_out(database: Sessions) -> None:
    with database.begin() as session:
        run(session, "fan_out", partial(load_happened, archive=ARCHIVE), prepare, store_deliveries)


def brought_out(database: Sessions, number: int = 1) -> UUID:
    with database.begin() as session:
        article = published(session, url=f"https://news.example/{number}", title=f"Bài số {number}")
    fan_out(database)
    return article


def deliver(database: Sessions) -> None:
    # What it logs would stand among what the command prints.
    with capture_logs(), RunningPump(database, BOX):
        eventually(lambda: states(database) == {SUCCEEDED})


def states(database: Sessions) -> set[str]:
    with database() as session:
        return set(session.scalars(select(DeliveryRow.state)))


def taken_down(database: Sessions, article: UUID, *, told: bool = True) -> None:
    """Retract it; two minutes ago, so that nothing is under way any more."""
    with database.begin() as session:
        retract(session, article, reason="Sai")
        session.execute(update(ArticleRow).values(retracted_at=func.now() - timedelta(minutes=2)))
    if told:
        fan_out(database)


def bodies(database: Sessions, article: UUID) -> dict[str, bool]:
    """Return which messages of an article have their body."""
    chosen = select(MessageRow.type, MessageRow.body.is_not(None)).where(MessageRow.article_id == article)
    with database() as session:
        return {row[0]: row[1] for row in session.execute(chosen)}


def answers(database: Sessions, article: UUID) -> int:
    """Return how many attempts of an article still have something of an answer."""
    of_article = AttemptRow.delivery_id.in_(select(DeliveryRow.id).where(DeliveryRow.article_id == article))
    kept = AttemptRow.response_headers.is_not(None) | AttemptRow.response_body.is_not(None)
    with database() as session:
        return session.scalar(select(func.count()).select_from(AttemptRow).where(of_article, kept)) or 0


def expunged(database: Sessions, article: UUID) -> tuple[int, int]:
    """Expunge an article; return how many messages and attempts it was."""
    done = list(expunge(database, article))
    return sum(one.messages for one in done), sum(one.attempts for one in done)


def test_what_was_sent_and_answered_is_forgotten_and_that_it_was_sent_is_not(
    database: Sessions, readers: Subscribers, publisher: Publisher
) -> None:
    article, other = brought_out(database, 1), brought_out(database, 2)
    deliver(database)
    with database.begin() as session:
        retract(session, article, reason="Sai")
    fan_out(database)
    deliver(database)
    with database.begin() as session:
        session.execute(update(ArticleRow).values(retracted_at=func.now() - timedelta(minutes=2)))
    before = readers.attempts()

    ended = publisher("expunge", str(article), "--json")

    assert (ended.status, ended.err) == (0, "")
    assert ended.json == {"id": str(article), "messages": 1, "attempts": 4, "left": []}
    assert bodies(database, article) == {
        EventType.ARTICLE_PUBLISHED: False,
        EventType.ARTICLE_RETRACTED: False,
    }
    assert answers(database, article) == 0
    assert bodies(database, other) == {EventType.ARTICLE_PUBLISHED: True}
    assert answers(database, other) == 2
    after = readers.attempts()
    assert [(one.id, one.status, one.address) for one in after] == [
        (one.id, one.status, one.address) for one in before
    ]
    assert states(database) == {SUCCEEDED}


def test_once_more_changes_nothing(database: Sessions, readers: Subscribers, publisher: Publisher) -> None:
    article = brought_out(database)
    deliver(database)
    taken_down(database, article)
    deliver(database)

    first, again = (publisher("expunge", f"tag:news.example,2026:article/{article}") for _ in range(2))

    assert (first.status, again.status) == (0, 0)
    assert first.out == f"expunged {article}: the bodies of 1 messages, the answers to 4 attempts\n"
    assert again.out == f"expunged {article}: the bodies of 0 messages, the answers to 0 attempts\n"


def test_what_is_not_retracted_is_refused(
    database: Sessions, readers: Subscribers, publisher: Publisher
) -> None:
    article = brought_out(database)
    deliver(database)

    ended = publisher("expunge", str(article))

    assert (ended.status, ended.out) == (2, "")
    assert "is published, not retracted" in ended.complaint
    assert f"publisher retract {article} --reason" in ended.complaint
    assert bodies(database, article) == {EventType.ARTICLE_PUBLISHED: True}
    assert answers(database, article) == 2


@pytest.mark.parametrize("argument", ["01a20d33-939f-70c8-b6c9-6a1a90d1c0de", "nonsense", "a\x00b"])
def test_an_unknown_article_is_one_line(publisher: Publisher, argument: str) -> None:
    ended = publisher("expunge", argument)

    assert (ended.status, ended.out) == (2, "")
    assert ended.complaint


def test_a_notice_that_is_to_be_sent_is_sent_and_then_forgotten(
    database: Sessions, readers: Subscribers, receivers: Receivers, publisher: Publisher
) -> None:
    article = brought_out(database)
    deliver(database)
    taken_down(database, article)

    early = publisher("expunge", str(article), "--json")
    told = bodies(database, article)
    deliver(database)
    late = publisher("expunge", str(article), "--json")

    assert (early.status, early.json["attempts"], late.status, late.json["left"]) == (1, 2, 0, [])
    assert early.json["left"][0].startswith("2 notices of its takedown are to be sent, or held")
    assert early.complaint == f"left for the next time: {early.json['left'][0]}"
    assert told == {EventType.ARTICLE_PUBLISHED: False, EventType.ARTICLE_RETRACTED: True}
    notices = [one for one in receivers.received() if b'"article.retracted"' in one.body]
    assert len(notices) == 2
    assert all(b'"reason":"Sai"' in one.body for one in notices)
    assert not any(bodies(database, article).values())
    assert answers(database, article) == 0


@pytest.mark.parametrize(
    ("state", "kept"),
    [
        (DeliveryState.PENDING, True),
        (DeliveryState.HELD, True),
        (DeliveryState.FAILED, False),
        (DeliveryState.CANCELLED, False),
    ],
)
def test_a_notice_is_kept_until_everybody_was_sent_it_or_given_up(
    database: Sessions, readers: Subscribers, state: DeliveryState, kept: bool
) -> None:
    article = brought_out(database)
    taken_down(database, article)
    notice = select(MessageRow.id).where(MessageRow.type == EventType.ARTICLE_RETRACTED).scalar_subquery()
    with database.begin() as session:
        session.execute(update(DeliveryRow).values(state=SUCCEEDED))
        one = select(DeliveryRow.id).where(DeliveryRow.message_id == notice).limit(1).scalar_subquery()
        session.execute(update(DeliveryRow).where(DeliveryRow.id == one).values(state=state))

    expunged(database, article)

    assert bodies(database, article)[EventType.ARTICLE_RETRACTED] == kept
    with database() as session:
        assert remaining(session, article).notices == kept


def test_a_notice_that_is_not_fanned_out_yet_is_told(
    database: Sessions, readers: Subscribers, receivers: Receivers, publisher: Publisher
) -> None:
    article = brought_out(database)
    deliver(database)
    taken_down(database, article, told=False)

    ended = publisher("expunge", str(article))
    fan_out(database)
    deliver(database)

    assert ended.status == 1
    assert "is not told to subscribers yet" in ended.complaint
    assert len([one for one in receivers.received() if b'"article.retracted"' in one.body]) == 2


def test_a_notice_of_which_some_are_written_is_kept_for_the_others(
    database: Sessions, readers: Subscribers
) -> None:
    """A fan-out in slices: its message is there, and the first deliveries are over."""
    article = brought_out(database)
    deliver(database)
    taken_down(database, article, told=False)
    notice = {"type": EventType.ARTICLE_RETRACTED, "article_id": article, "body": b"{}"}
    with database.begin() as session:
        session.execute(insert(MessageRow).values(id=article, time=func.now(), **notice))

    expunged(database, article)

    assert bodies(database, article)[EventType.ARTICLE_RETRACTED]


def test_what_was_being_sent_when_it_was_taken_down_may_still_be_recorded(
    database: Sessions, publisher: Publisher
) -> None:
    with database.begin() as session:
        article = published(session)
        retract(session, article, reason=None)
    fan_out(database)

    ended = publisher("expunge", str(article))

    assert ended.status == 1
    assert "less than 60 s ago" in ended.complaint


def test_what_was_interrupted_goes_on(
    database: Sessions, readers: Subscribers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expunging, "SLICE", 2)
    for host in (3, 4, 5):
        readers.subscribe("/hook", host=host)
    article = brought_out(database)
    deliver(database)
    taken_down(database, article)
    deliver(database)

    slices = expunge(database, article)
    next(slices)
    first = next(slices)
    slices.close()  # type: ignore[attr-defined]
    left = answers(database, article)

    assert (first.attempts, first.deliveries, left) == (2, 2, 8)
    assert [one.deliveries for one in expunge(database, article)] == [0, 2, 2, 2, 2, 2, 0]
    assert answers(database, article) == 0


def test_an_article_that_is_restored_meanwhile_is_left_alone(
    database: Sessions, readers: Subscribers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expunging, "SLICE", 1)
    article = brought_out(database)
    deliver(database)
    taken_down(database, article)
    slices = expunge(database, article)
    next(slices)

    with database.begin() as session:
        restored = recorded(session, url="https://news.example/1", title="Bài số 1", restore=True)

    assert restored.article_id == article
    with pytest.raises(Conflict, match="not retracted"):
        next(slices)
    assert answers(database, article) == 2


def test_nobody_waits_for_a_slice_and_it_waits_for_no_sender(
    database: Sessions, readers: Subscribers
) -> None:
    article = brought_out(database)
    deliver(database)
    taken_down(database, article)

    with database() as sender:
        sender.execute(select(DeliveryRow.id).with_for_update())
        slices = expunge(database, article)
        next(slices)
        # Between slices nothing is locked, whatever takes its time there.
        with database() as session:
            session.execute(text("SET LOCAL lock_timeout = '1s'"))
            session.execute(text("LOCK TABLE message, attempt, article"))
        rest = list(slices)

    assert sum(one.attempts for one in rest) == 2
