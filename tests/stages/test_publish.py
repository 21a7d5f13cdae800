"""Publishing: embargo, correction, takedown, and the labels that feeds are made of."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event, select, update
from sqlalchemy.orm import Session

from publisher.article import ArticleStatus, category_of
from publisher.errors import NotFound
from publisher.events import EventType
from publisher.ids import new_id
from publisher.outbox.obligation import Done, Postponed
from publisher.retract import retract
from publisher.schema import (
    ArticleLabelRow,
    ArticleRow,
    EventRow,
    FeedRow,
    LabelRow,
    RevisionRow,
    TombstoneRow,
)
from tests.stages.articles import ARCHIVE, published, recorded, run_enrich, run_publish

TOMORROW = timedelta(days=1)


def events(session: Session) -> list[str]:
    rows = session.scalars(select(EventRow.type).order_by(EventRow.id)).all()
    return [row for row in rows if row not in (EventType.ARTICLE_RECEIVED, EventType.ARTICLE_ENRICHED)]


def labels(session: Session) -> list[str]:
    return sorted(session.scalars(select(LabelRow.slug).join(ArticleLabelRow)))


def test_an_enriched_article_is_published(session: Session) -> None:
    identifier = published(session, categories=("Xã hội",))

    article = session.get_one(ArticleRow, identifier)
    assert (article.status, article.public_revision) == (ArticleStatus.PUBLISHED, 1)
    assert article.first_visible_at is not None
    assert labels(session) == ["all", "xa-hoi"]
    assert events(session) == [EventType.ARTICLE_PUBLISHED]


def test_a_date_in_the_future_is_never_shown(session: Session) -> None:
    identifier = published(session, published=datetime.now(UTC) + TOMORROW)

    article = session.get_one(ArticleRow, identifier)
    assert article.updated == article.first_visible_at


def test_a_correction_moves_updated_and_nothing_else(session: Session) -> None:
    identifier = published(session, published=datetime(2021, 11, 23, tzinfo=UTC))
    before = session.get_one(ArticleRow, identifier)
    first = (before.published, before.first_visible_at, before.uri)

    published(session, title="Đính chính: 23,6 km")

    article = session.get_one(ArticleRow, identifier)
    assert (article.published, article.first_visible_at, article.uri) == first
    assert article.updated > article.published
    assert events(session) == [EventType.ARTICLE_PUBLISHED, EventType.ARTICLE_CORRECTED]


@pytest.mark.parametrize("named", ["categories", "places"])
def test_a_correction_that_changes_a_label_concerns_both_feeds(session: Session, named: str) -> None:
    published(session, **{named: ("Xã hội",)})

    published(session, **{named: ("Kinh tế",)})

    corrected = session.scalar(select(EventRow.data).where(EventRow.type == EventType.ARTICLE_CORRECTED))
    assert corrected is not None
    assert labels(session) == ["all", "kinh-te"]
    assert len(corrected["labels"]) == 3


def test_two_spellings_of_a_category_are_one_label(session: Session) -> None:
    published(session, categories=("Xã hội", "XÃ HỘI"))
    published(session, url="https://news.example/b", categories=("xa hoi",))

    assert session.scalars(select(LabelRow.term).where(LabelRow.slug == "xa-hoi")).all() == ["Xã hội"]


def test_an_embargo_waits_as_an_obligation_that_is_not_due(session: Session) -> None:
    until = datetime.now(UTC) + TOMORROW
    identifier = recorded(session, visible_from=until).article_id
    run_enrich(session)

    fates = run_publish(session)

    assert list(fates.values()) == [Postponed(at=until)]
    assert session.get_one(ArticleRow, identifier).status == ArticleStatus.SCHEDULED
    assert labels(session) == []


def test_an_embargo_that_ended_is_over(session: Session) -> None:
    identifier = recorded(session, visible_from=datetime.now(UTC) + TOMORROW).article_id
    run_enrich(session)
    run_publish(session)
    session.execute(update(RevisionRow).values(visible_from=datetime.now(UTC) - TOMORROW))

    run_publish(session)

    assert session.get_one(ArticleRow, identifier).status == ArticleStatus.PUBLISHED


def test_an_embargo_that_was_lifted_by_a_revision_is_published_once(session: Session) -> None:
    recorded(session, visible_from=datetime.now(UTC) + TOMORROW)
    run_enrich(session)
    run_publish(session)

    published(session, visible_from=datetime.now(UTC) - TOMORROW)
    fates = run_publish(session)

    assert events(session) == [EventType.ARTICLE_PUBLISHED]
    assert fates == {}


def test_a_revision_that_was_overtaken_is_not_published(session: Session) -> None:
    recorded(session)
    run_enrich(session)
    recorded(session, title="Bản mới")

    fates = run_publish(session)

    assert list(fates.values()) == [Done(outcome="superseded")]
    assert events(session) == []


def test_a_takedown_leaves_feeds_with_its_commit(session: Session) -> None:
    identifier = published(session, categories=("Xã hội",))
    generations = dict(session.execute(select(FeedRow.label_id, FeedRow.generation)).all())

    retract(session, identifier, reason="sai sự thật")

    session.expire_all()
    article = session.get_one(ArticleRow, identifier)
    assert (article.status, article.sequence, article.public_revision) == (ArticleStatus.RETRACTED, 2, None)
    assert labels(session) == []
    assert session.scalars(select(TombstoneRow.uri)).all() == [article.uri] * 2
    for feed in session.scalars(select(FeedRow)):
        assert feed.generation == generations[feed.label_id] + 1


def test_a_takedown_twice_is_one(session: Session) -> None:
    identifier = published(session)

    retract(session, identifier, reason="a")
    retract(session, identifier, reason="b")

    assert events(session).count(EventType.ARTICLE_RETRACTED) == 1
    session.expire_all()
    assert session.get_one(ArticleRow, identifier).retraction_reason == "a"


def test_a_takedown_of_nothing_is_an_error(session: Session) -> None:
    with pytest.raises(NotFound):
        retract(session, new_id(), reason=None)


def test_a_takedown_before_publication_stops_it(session: Session) -> None:
    identifier = recorded(session).article_id
    run_enrich(session)
    retract(session, identifier, reason=None)

    run_publish(session)

    assert session.get_one(ArticleRow, identifier).status == ArticleStatus.RETRACTED
    assert events(session) == [EventType.ARTICLE_RETRACTED]


def test_a_restored_article_is_published_again_without_a_tombstone(session: Session) -> None:
    identifier = published(session)
    retract(session, identifier, reason=None)

    published(session, restore=True)

    article = session.get_one(ArticleRow, identifier)
    assert (article.status, article.public_revision) == (ArticleStatus.PUBLISHED, 3)
    assert session.scalars(select(TombstoneRow)).all() == []
    assert events(session)[-1] == EventType.ARTICLE_PUBLISHED


def test_a_restoration_does_not_move_updated_backwards(session: Session) -> None:
    identifier = published(session, published=datetime(2021, 11, 23, tzinfo=UTC))
    published(session, title="Đính chính: 23,6 km")
    corrected_at = session.get_one(ArticleRow, identifier).updated
    retract(session, identifier, reason=None)

    published(session, title="Bản cuối", restore=True)

    article = session.get_one(ArticleRow, identifier)
    assert article.published == datetime(2021, 11, 23, tzinfo=UTC)
    assert article.updated >= corrected_at


def test_labels_of_first_publications_and_corrections_come_in_one_order(session: Session) -> None:
    published(session)
    recorded(session, categories=("A", "Y"))
    recorded(session, url="https://news.example/b", categories=("B", "Z"))
    run_enrich(session)
    added: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, rows: object, *_: object) -> None:
        if statement.startswith("INSERT INTO label "):
            assert isinstance(rows, list)
            added.extend(row["slug"] for row in rows)

    connection = session.connection()
    event.listen(connection, "before_cursor_execute", note)
    run_publish(session)
    event.remove(connection, "before_cursor_execute", note)

    assert added == ["a", "b", "y", "z"]
    assert sorted(events(session)[1:]) == [EventType.ARTICLE_CORRECTED, EventType.ARTICLE_PUBLISHED]


def test_categories_without_letters_are_labels_of_their_own(session: Session) -> None:
    published(session, categories=("!!!", "???", "新闻", "Other"))

    found = labels(session)
    assert len(found) == 5
    assert {"all", "other", category_of("!!!").term, category_of("???").term} < set(found)
    assert category_of(category_of("???").term).term == category_of("???").term


def test_an_older_revision_does_not_bear_the_time_of_the_newest(session: Session) -> None:
    identifier = published(session, published=datetime(2021, 11, 23, tzinfo=UTC))
    published(session, title="Đính chính: 23,6 km")
    published(session, title="Đính chính lần hai: 23,6 km")
    session.execute(update(ArticleRow).values(updated=datetime.now(UTC) + TOMORROW))
    session.expire_all()

    article = session.get_one(ArticleRow, identifier)
    revisions = [session.get_one(RevisionRow, (identifier, sequence)) for sequence in (1, 2, 3)]
    shown = [ARCHIVE.article_of(article, revision).updated for revision in revisions]

    assert shown == [article.published, revisions[1].received_at, article.updated]
