"""Recording: one article an identity, one revision a changed content, one event each."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from publisher.article import ArticleStatus
from publisher.database import Sessions
from publisher.errors import ArticleRetracted, IdentityConflict
from publisher.events import EventType
from publisher.ingest.decision import Outcome
from publisher.ingest.record import Recorded, record, record_all
from publisher.retract import retract
from publisher.schema import ArticleKeyRow, ArticleRow, EventRow, RevisionRow
from tests.stages.articles import DOMAIN, recorded, submission


def count(session: Session, row: type) -> int:
    return session.scalar(select(func.count()).select_from(row)) or 0


def article(session: Session, result: Recorded) -> ArticleRow:
    session.expire_all()
    return session.get_one(ArticleRow, result.article_id)


def test_a_new_identity_makes_an_article(session: Session) -> None:
    result = recorded(session)

    stored = article(session, result)
    assert (result.outcome, result.sequence) == (Outcome.CREATED, 1)
    assert stored.status == ArticleStatus.RECEIVED
    assert stored.uri == f"tag:news.example,{datetime.now(UTC):%Y-%m-%d}:article/{stored.id}"
    assert session.scalars(select(EventRow.type)).all() == [EventType.ARTICLE_RECEIVED]


def test_the_same_content_again_changes_nothing(session: Session) -> None:
    first = recorded(session)

    again = recorded(session)

    assert (again.outcome, again.article_id, again.sequence) == (Outcome.UNCHANGED, first.article_id, 1)
    assert count(session, RevisionRow) == count(session, EventRow) == 1


def test_changed_content_is_the_next_revision(session: Session) -> None:
    first = recorded(session, published=datetime(2021, 11, 23, tzinfo=UTC))
    before = article(session, first).published

    again = recorded(session, title="Đính chính", published=datetime(2022, 1, 1, tzinfo=UTC))

    assert (again.outcome, again.article_id, again.uri) == (Outcome.REVISED, first.article_id, first.uri)
    assert again.sequence == 2
    assert article(session, first).published == before


def test_an_article_is_known_by_its_url_or_its_guid(session: Session) -> None:
    first = recorded(session, guid="bài-1")

    by_guid = recorded(session, guid="bài-1", url=None)
    by_url = recorded(session, url="HTTPS://NEWS.example:443/a#top")

    assert by_guid.article_id == by_url.article_id == first.article_id


def test_a_page_without_url_and_guid_is_known_again(session: Session) -> None:
    first = recorded(session, url=None)

    again = recorded(session, url=None)

    assert again.outcome is Outcome.UNCHANGED
    assert again.article_id == first.article_id


def test_a_url_of_one_and_a_guid_of_another_article_conflict(session: Session) -> None:
    recorded(session, guid="one", url="https://news.example/one")
    recorded(session, guid="two", url="https://news.example/two")

    with pytest.raises(IdentityConflict, match="different articles"):
        recorded(session, guid="one", url="https://news.example/two")


def test_a_new_identity_of_a_known_article_is_remembered(session: Session) -> None:
    first = recorded(session, url=None, guid="one")
    recorded(session, guid="one", url="https://news.example/new")

    assert recorded(session, url="https://news.example/new").article_id == first.article_id


def test_a_retracted_article_is_refused_unless_restored(session: Session) -> None:
    first = recorded(session)
    retract(session, first.article_id, reason="nhầm")

    with pytest.raises(ArticleRetracted, match="restore"):
        recorded(session)
    back = recorded(session, restore=True)

    assert (back.outcome, back.article_id, back.sequence) == (Outcome.RESTORED, first.article_id, 3)
    assert article(session, back).retracted_at is None


def test_a_correction_without_an_embargo_keeps_the_stored_one(session: Session) -> None:
    until = datetime.now(UTC) + timedelta(days=1)
    recorded(session, visible_from=until)

    unchanged = recorded(session)
    revised = recorded(session, title="Sửa lỗi")

    newest = session.scalar(select(RevisionRow.visible_from).where(RevisionRow.sequence == revised.sequence))
    assert unchanged.outcome is Outcome.UNCHANGED
    assert newest == until


def test_an_embargo_that_moves_is_a_revision(session: Session) -> None:
    until = datetime.now(UTC) + timedelta(days=1)
    recorded(session, visible_from=until)

    assert recorded(session, visible_from=until + timedelta(hours=1)).outcome is Outcome.REVISED


def test_one_bad_submission_of_a_batch_harms_no_other(session: Session) -> None:
    gone = recorded(session)
    retract(session, gone.article_id, reason=None)
    several = [
        submission(url="https://news.example/1"),
        submission(),
        submission(url="https://news.example/2"),
    ]

    first, refused, last = record_all(session, several, tag_domain=DOMAIN)

    assert isinstance(first, Recorded)
    assert isinstance(refused, ArticleRetracted)
    assert isinstance(last, Recorded)


def test_the_same_article_twice_in_a_batch_is_one(session: Session) -> None:
    several = [submission(), submission(title="Sửa"), submission(title="Sửa"), submission(title="Sửa lại")]

    results = record_all(session, several, tag_domain=DOMAIN)

    outcomes = [(one.outcome, one.sequence) for one in results if isinstance(one, Recorded)]
    assert outcomes == [
        (Outcome.CREATED, 1),
        (Outcome.REVISED, 2),
        (Outcome.UNCHANGED, 2),
        (Outcome.REVISED, 3),
    ]


def test_one_article_by_two_identities_in_a_batch_is_one(session: Session) -> None:
    first = recorded(session, guid="one", url="https://news.example/a")
    several = [
        submission(guid="one", url=None, title="Bản hai"),
        submission(url="https://news.example/a", title="Bản ba"),
        submission(guid="two", url="https://news.example/b"),
    ]

    results = record_all(session, several, tag_domain=DOMAIN)

    stored = [
        (one.sequence, one.article_id == first.article_id) for one in results if isinstance(one, Recorded)
    ]
    assert stored == [(2, True), (3, True), (1, False)]


def test_fifty_at_once_make_one_article_with_ordered_revisions(database: Sessions) -> None:
    def send(number: int) -> Recorded:
        with database.begin() as session:
            return record(session, submission(guid="one", title=f"Bản {number}"), tag_domain=DOMAIN)

    with ThreadPoolExecutor(25) as pool:
        results = list(pool.map(send, range(50)))

    with database() as session:
        assert count(session, ArticleRow) == 1
        assert sorted(session.scalars(select(RevisionRow.sequence))) == list(range(1, 51))
        assert count(session, ArticleKeyRow) == 2
    assert sorted(one.sequence for one in results) == list(range(1, 51))
    assert len({one.article_id for one in results}) == 1
