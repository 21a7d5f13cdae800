"""What an older version of the code has published without words is found by and by; nobody is told of it."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from publisher import outdated
from publisher.housekeeping import begin_housekeeping, keep_house
from publisher.ids import new_id
from publisher.outbox.obligation import Postponed
from publisher.outdated import SLICE, owe_outdated
from publisher.partitions import prepare_partitions
from publisher.prune.retention import Retention
from publisher.schema import ArticleLabelRow, ArticleSearchRow, EventTaskRow, FeedRow
from tests.stages.articles import owed, published, run_feeds


@pytest.fixture
def old(session: Session) -> UUID:
    """An article that an older version has published."""
    identifier = published(session)
    run_feeds(session)
    session.execute(delete(EventTaskRow))
    session.execute(delete(ArticleSearchRow))
    return identifier


def words(session: Session) -> dict[UUID, int]:
    """Return of which revisions there are words."""
    return dict(session.execute(select(ArticleSearchRow.article_id, ArticleSearchRow.sequence)).all())


def test_it_gets_its_words_and_subscribers_hear_nothing(session: Session, old: UUID) -> None:
    before = session.scalar(select(func.max(FeedRow.generation)))

    again = owe_outdated(session)
    fan_out = owed(session, "fan_out")
    run_feeds(session)

    assert again is not None
    assert words(session) == {old: 1}
    assert fan_out == []
    # Who has searched already hears that there is more.
    assert before is not None
    assert session.scalar(select(func.max(FeedRow.generation))) == before + 1
    assert owe_outdated(session) is None


def test_it_gets_a_place_under_every_label(session: Session) -> None:
    published(session, categories=("Xã hội",), tags=("giao thông",))
    run_feeds(session)
    session.execute(delete(ArticleSearchRow))
    session.execute(update(ArticleLabelRow).values(position=None))

    owe_outdated(session)
    run_feeds(session)

    assert None not in session.scalars(select(ArticleLabelRow.position)).all()


def test_words_of_another_revision_are_made_anew(session: Session, old: UUID) -> None:
    owe_outdated(session)
    run_feeds(session)
    session.execute(update(ArticleSearchRow).values(sequence=7))

    owe_outdated(session)
    run_feeds(session)

    assert words(session) == {old: 1}


@pytest.mark.usefixtures("old")
def test_it_is_owed_once(session: Session) -> None:
    owe_outdated(session)
    owe_outdated(session)

    assert len(owed(session, "feeds")) == 1


@pytest.mark.usefixtures("old")
def test_what_comes_in_goes_first(session: Session) -> None:
    values = {"task": "feeds", "queue": "pipeline", "type": "article.published", "data": {"labels": []}}
    crowd = [
        {**values, "event_id": new_id(), "subject": new_id(), "due_at": datetime.now(UTC)}
        for _ in range(SLICE)
    ]
    session.execute(insert(EventTaskRow), crowd)

    again = owe_outdated(session)

    assert again is not None
    assert len(owed(session, "feeds")) == SLICE


def test_what_is_stuck_keeps_nothing_waiting(
    session: Session, old: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outdated, "SLICE", 1)
    published(session, url="https://news.example/poison")
    session.execute(update(EventTaskRow).where(EventTaskRow.task == "feeds").values(stuck=True))

    owe_outdated(session)

    waiting = select(EventTaskRow.subject).where(EventTaskRow.task == "feeds", ~EventTaskRow.stuck)
    assert session.scalars(waiting).all() == [old]


@pytest.mark.usefixtures("old")
def test_housekeeping_sees_to_it_and_looks_again_soon(session: Session) -> None:
    prepare_partitions(session.connection(), at=datetime.now(UTC))
    begin_housekeeping(session)
    (obligation,) = owed(session, "housekeeping")

    fate = keep_house(session, {obligation: obligation}, retention=Retention.days(0, 0))[obligation]

    now = session.scalar(select(func.now()))
    assert now is not None
    assert isinstance(fate, Postponed)
    assert fate.at is not None
    assert fate.at < now + timedelta(minutes=1)
    assert len(owed(session, "feeds")) == 1
