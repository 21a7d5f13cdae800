"""Feeds are rebuilt at once, then seldom, and never from what is older than what readers have."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import event, func, select, update
from sqlalchemy.orm import Session

from feeds.feed import FeedFormat
from feeds.rebuild import Rebuilt, load_contents, rebuild, store_documents
from feeds.refresh import REBUILD_EVERY, load_articles, mark_changed, render, store_entries
from publisher.events import EventType
from publisher.labels import LabelKind
from publisher.outbox.obligation import Done, Obligation, Postponed
from publisher.retract import retract
from publisher.schema import EntryRow, EventRow, EventTaskRow, FeedDocumentRow, FeedRow, LabelRow
from tests.stages.articles import ARCHIVE, STYLE, owed, published, run_feeds, run_rebuild


def feed_of(session: Session, kind: LabelKind = LabelKind.ALL, slug: str = "all") -> FeedRow:
    session.expire_all()
    feed = session.scalar(
        select(FeedRow)
        .join(LabelRow, LabelRow.id == FeedRow.label_id)
        .where(LabelRow.kind == kind, LabelRow.slug == slug)
    )
    assert feed is not None
    return feed


def bodies(session: Session) -> Mapping[str, str]:
    """Return what is stored for everything, a text a format."""
    rows = session.scalars(
        select(FeedDocumentRow)
        .where(FeedDocumentRow.label_id == feed_of(session).label_id)
        .execution_options(populate_existing=True)
    )
    return {row.format: row.body.decode() for row in rows}


def rebuilds_owed(session: Session) -> int:
    return len(owed(session, "rebuild"))


def begin_rebuild(session: Session) -> Mapping[Obligation, Rebuilt]:
    """Read and render what is due, as a worker does before it stores anything."""
    loaded = load_contents(session, owed(session, "rebuild"), style=STYLE)
    return {one: rebuild(content) for one, content in loaded.items()}


def publish_another(session: Session, number: int) -> UUID:
    identifier = published(session, url=f"https://news.example/{number}", title=f"Bài số {number}")
    run_feeds(session)
    return identifier


def test_a_published_article_makes_each_of_its_feeds_due_once(session: Session) -> None:
    published(session, categories=("Xã hội", "Giao thông"))

    run_feeds(session)

    subjects = {one.subject for one in owed(session, "rebuild")}
    assert subjects == {
        feed_of(session).label_id,
        feed_of(session, LabelKind.CATEGORY, "xa-hoi").label_id,
        feed_of(session, LabelKind.CATEGORY, "giao-thong").label_id,
    }
    assert rebuilds_owed(session) == 3


def test_a_rebuild_stores_every_format(session: Session) -> None:
    identifier = publish_another(session, 1)

    fates = run_rebuild(session)

    assert set(fates.values()) == {Done(outcome="rebuilt")}
    assert set(bodies(session)) == set(FeedFormat)
    assert all(str(identifier) in body for body in bodies(session).values())
    assert feed_of(session).owed_since is None


def test_fifty_changes_in_a_row_oblige_one_rebuild(session: Session) -> None:
    identifiers = [publish_another(session, number) for number in range(50)]

    obliged = session.scalar(select(func.count()).where(EventRow.type == EventType.FEED_CHANGED))
    run_rebuild(session)

    assert obliged == 1
    assert feed_of(session).generation == 50
    assert all(str(identifier) in bodies(session)[FeedFormat.ATOM] for identifier in identifiers)


def test_changes_after_a_rebuild_oblige_one_more_after_a_pause(session: Session) -> None:
    publish_another(session, 0)
    run_rebuild(session)

    for number in range(1, 50):
        publish_another(session, number)

    rebuilt_at = feed_of(session).rendered_at
    assert rebuilt_at is not None
    assert [one.queued_at for one in owed(session, "rebuild")] == [rebuilt_at + REBUILD_EVERY]


def test_the_first_change_after_a_quiet_time_is_due_at_once(session: Session) -> None:
    publish_another(session, 0)
    run_rebuild(session)
    session.execute(update(FeedRow).values(rendered_at=FeedRow.rendered_at - timedelta(minutes=1)))

    publish_another(session, 1)

    (one,) = owed(session, "rebuild")
    assert one.queued_at <= session.scalars(select(func.now())).one()


def test_what_changes_during_a_rebuild_is_rebuilt_again(session: Session) -> None:
    publish_another(session, 1)
    begun = begin_rebuild(session)
    late = publish_another(session, 2)

    fates = store_documents(session, begun)

    (fate,) = fates.values()
    assert isinstance(fate, Postponed)
    assert feed_of(session).owed_since is not None
    assert str(late) not in bodies(session)[FeedFormat.ATOM]
    assert rebuilds_owed(session) == 1


def test_many_rebuilds_are_noted_with_one_statement_for_those_done_and_one_for_those_behind(
    session: Session,
) -> None:
    published(session, categories=("A", "B", "C", "D"))
    run_feeds(session)
    begun = begin_rebuild(session)
    published(session, url="https://news.example/2", categories=("A", "B"))
    run_feeds(session)
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    connection = session.connection()
    event.listen(connection, "before_cursor_execute", note)
    fates = store_documents(session, begun)
    event.remove(connection, "before_cursor_execute", note)

    assert len([one for one in statements if one.startswith("UPDATE feed ")]) == 2
    behind = {one.subject for one, fate in fates.items() if isinstance(fate, Postponed)}
    assert behind == {
        feed_of(session).label_id,
        *(feed_of(session, LabelKind.CATEGORY, slug).label_id for slug in "ab"),
    }
    owing = session.scalars(select(FeedRow.label_id).where(FeedRow.owed_since.is_not(None)))
    assert set(owing) == behind


def test_the_rebuild_after_that_ends_it(session: Session) -> None:
    publish_another(session, 1)
    begun = begin_rebuild(session)
    late = publish_another(session, 2)
    store_documents(session, begun)

    run_rebuild(session)

    assert str(late) in bodies(session)[FeedFormat.ATOM]
    assert feed_of(session).owed_since is None
    assert rebuilds_owed(session) == 0


def test_a_change_asks_again_when_the_owed_rebuild_is_stuck(session: Session) -> None:
    publish_another(session, 1)
    long_ago = datetime.now(UTC) - timedelta(minutes=6)
    session.execute(update(EventTaskRow).where(EventTaskRow.task == "rebuild").values(stuck=True))
    session.execute(update(FeedRow).values(owed_since=long_ago))

    publish_another(session, 2)

    assert rebuilds_owed(session) == 2


def test_a_slow_rebuild_never_overwrites_a_newer_one(session: Session) -> None:
    publish_another(session, 1)
    slow = begin_rebuild(session)
    newer = publish_another(session, 2)
    run_rebuild(session)

    store_documents(session, slow)

    assert str(newer) in bodies(session)[FeedFormat.ATOM]


def test_a_rebuild_that_read_before_a_takedown_stores_nothing_that_may_be_served(session: Session) -> None:
    identifier = publish_another(session, 1)
    begun = begin_rebuild(session)

    retract(session, identifier, reason=None)
    store_documents(session, begun)

    feed = feed_of(session)
    stored = session.scalars(select(FeedDocumentRow.generation)).all()
    assert all(generation < feed.required_generation for generation in stored)
    assert feed.owed_since is not None


def test_a_fragment_rendered_before_a_takedown_is_left_out(session: Session) -> None:
    identifier = published(session)
    obligations = owed(session, "feeds")
    loaded = load_articles(session, obligations, archive=ARCHIVE)
    rendered = {one: render(showing, style=STYLE) for one, showing in loaded.items()}

    retract(session, identifier, reason=None)
    fates = store_entries(session, rendered)

    assert set(fates.values()) == {Done(outcome="left out")}
    assert session.scalars(select(EntryRow)).all() == []


def test_a_fragment_of_a_corrected_article_is_the_newest_whatever_the_order(session: Session) -> None:
    published(session)
    first = owed(session, "feeds")
    stale = {
        one: render(showing, style=STYLE)
        for one, showing in load_articles(session, first, archive=ARCHIVE).items()
    }
    published(session, title="Đã sửa")
    run_feeds(session)

    store_entries(session, stale)

    (entry,) = session.scalars(select(EntryRow).execution_options(populate_existing=True)).all()
    assert "Đã sửa" in entry.atom
    assert entry.sequence == 2


def test_a_correction_that_changes_the_category_changes_both_feeds(session: Session) -> None:
    identifier = published(session, categories=("Xã hội",))
    run_feeds(session)
    run_rebuild(session)

    published(session, categories=("Giao thông",))
    run_feeds(session)
    run_rebuild(session)

    carrying = {
        slug: str(identifier).encode() in body
        for slug, body in session.execute(
            select(LabelRow.slug, FeedDocumentRow.body)
            .join(LabelRow, LabelRow.id == FeedDocumentRow.label_id)
            .where(FeedDocumentRow.format == FeedFormat.JSON)
        )
    }
    assert carrying == {"all": True, "xa-hoi": False, "giao-thong": True}


def test_marking_no_label_changes_nothing(session: Session) -> None:
    mark_changed(session, [])

    assert feed_of(session).generation == 0
    assert rebuilds_owed(session) == 0


def test_a_feed_of_fixed_length_holds_the_newest(session: Session) -> None:
    for number in range(4):
        publish_another(session, number)

    contents = load_contents(session, owed(session, "rebuild"), style=replace(STYLE, length=2))

    (content,) = contents.values()
    first, second = content.entries
    assert "Bài số 3" in first.atom
    assert "Bài số 2" in second.atom
