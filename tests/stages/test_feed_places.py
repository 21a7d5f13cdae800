"""Places in feeds: who comes when, who keeps its place, and what everybody is told of it."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import psycopg
from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from feeds.refresh import Rendered, load_articles, render, store_entries
from publisher.article import Person, Source
from publisher.database import Channel, Sessions
from publisher.feed_state import mark_changed
from publisher.ids import new_id
from publisher.labels import LabelKind
from publisher.outbox.obligation import Done, Obligation
from publisher.retract import retract
from publisher.schema import ArticleLabelRow, EntryRow, FeedRow, LabelRow
from publisher.server_urls import for_libpq
from tests.databases import until_somebody_waits
from tests.stages.articles import ARCHIVE, STYLE, owed, published, run_feeds
from tests.stages.lock_order import locks_by_id


def feed_of(session: Session, kind: LabelKind = LabelKind.ALL, slug: str = "all") -> FeedRow:
    session.expire_all()
    feed = session.scalar(
        select(FeedRow)
        .join(LabelRow, LabelRow.id == FeedRow.label_id)
        .where(LabelRow.kind == kind, LabelRow.slug == slug)
    )
    assert feed is not None
    return feed


def places(session: Session, kind: LabelKind = LabelKind.ALL, slug: str = "all") -> Mapping[UUID, int | None]:
    """Return the place of each article of a feed."""
    rows = session.execute(
        select(ArticleLabelRow.article_id, ArticleLabelRow.position).where(
            ArticleLabelRow.label_id == feed_of(session, kind, slug).label_id
        )
    )
    return {row.article_id: row.position for row in rows}


def publish_another(session: Session, number: int, **fields: object) -> UUID:
    values = {"url": f"https://news.example/{number}", "title": f"Bài số {number}", **fields}
    identifier = published(session, **values)
    run_feeds(session)
    return identifier


def test_articles_are_placed_in_the_order_in_which_they_come(session: Session) -> None:
    first, second = (publish_another(session, number) for number in (1, 2))

    assert places(session) == {first: 1, second: 2}
    assert feed_of(session).last_position == 2


def test_an_article_has_a_place_under_each_of_its_labels(session: Session) -> None:
    publish_another(session, 1)
    article = publish_another(
        session,
        2,
        categories=("Xã hội",),
        tags=("Giao thông",),
        authors=(Person(name="Nguyễn Văn A"),),
        source=Source(name="nhandan.vn"),
        places=("Đà Nẵng", "da nang"),
    )

    found = {
        (row.kind, row.slug): row.position
        for row in session.execute(
            select(LabelRow.kind, LabelRow.slug, ArticleLabelRow.position)
            .join(ArticleLabelRow, ArticleLabelRow.label_id == LabelRow.id)
            .where(ArticleLabelRow.article_id == article)
        )
    }

    assert found == {
        ("all", "all"): 2,
        ("category", "xa-hoi"): 1,
        ("tag", "giao-thong"): 1,
        ("author", "nguyen-van-a"): 1,
        ("source", "nhandan-vn"): 1,
        ("place", "da-nang"): 1,
    }


def test_until_its_fragments_are_ready_it_has_no_place(session: Session) -> None:
    late = published(session, url="https://news.example/late")
    obligations = owed(session, "feeds")
    quick = publish_another(session, 1)

    assert places(session)[quick] is not None
    assert set(places(session)) == {late, quick}
    assert {one.subject for one in obligations} == {late}


def test_a_correction_keeps_its_place(session: Session) -> None:
    first = publish_another(session, 1)
    publish_another(session, 2)

    publish_another(session, 1, title="Đã sửa")

    assert places(session)[first] == 1
    assert feed_of(session).last_position == 2


def test_what_moves_to_another_category_is_the_newest_there(session: Session) -> None:
    moved = publish_another(session, 1, categories=("Xã hội",))
    stays = publish_another(session, 2, categories=("Giao thông",))

    publish_another(session, 1, categories=("Giao thông",))

    assert places(session, LabelKind.CATEGORY, "giao-thong") == {stays: 1, moved: 2}
    assert places(session, LabelKind.CATEGORY, "xa-hoi") == {}
    assert places(session)[moved] == 1


def test_a_place_is_never_given_twice(session: Session) -> None:
    gone = publish_another(session, 1)
    retract(session, gone, reason=None)

    back = publish_another(session, 1, restore=True)

    assert places(session) == {back: 2}


def test_whoever_commits_later_is_placed_later(database: Sessions) -> None:
    with database.begin() as session:
        first, second = (published(session, url=f"https://news.example/{number}") for number in (1, 2))
    with ThreadPoolExecutor(1) as others:
        with database.begin() as session:
            store_entries(session, begun(session, second))
            later = others.submit(stored, database, first)
            until_somebody_waits(database)
        later.result(30)

    with database() as session:
        assert places(session) == {second: 1, first: 2}


def begun(session: Session, article: UUID) -> Mapping[Obligation, Rendered]:
    """Render an article, as a worker does before it stores anything."""
    obligations = [one for one in owed(session, "feeds") if one.subject == article]
    loaded = load_articles(session, obligations, archive=ARCHIVE)
    return {one: render(showing, style=STYLE) for one, showing in loaded.items()}


def stored(database: Sessions, article: UUID) -> None:
    with database.begin() as session:
        store_entries(session, begun(session, article))


def test_feeds_are_locked_in_the_order_of_their_labels(database: Sessions) -> None:
    with database.begin() as session:
        low, *_, high = sorted(_made_up(session, 20))
        # Where they lie is no order: the last comes first.
        session.execute(update(FeedRow).where(FeedRow.label_id == low).values(last_position=1))

    def work(session: Session) -> None:
        mark_changed(session, {high, low})

    assert locks_by_id(database, low, high, work, key=FeedRow.label_id)


def test_a_change_is_never_dated_earlier_than_the_one_before(database: Sessions) -> None:
    with database() as waiting, database.begin() as other:
        waiting.scalar(select(func.now()))
        everything = feed_of(other).label_id
        mark_changed(other, [everything])
        other.commit()
        with database() as looking:
            before = feed_of(looking).changed_at

        mark_changed(waiting, [everything])
        waiting.commit()

    with database() as looking:
        assert feed_of(looking).changed_at > before


def test_feeds_change_once_a_batch(session: Session) -> None:
    for number in range(5):
        published(session, url=f"https://news.example/{number}", title=f"Bài số {number}")
    before = feed_of(session).generation

    run_feeds(session)

    assert feed_of(session).generation == before + 1
    assert sorted(filter(None, places(session).values())) == [1, 2, 3, 4, 5]


def test_whoever_listens_hears_which_feeds_changed(database: Sessions, session: Session) -> None:
    url = for_libpq(str(session.get_bind().engine.url.render_as_string(hide_password=False)))
    with database.begin() as other:
        labels = _made_up(other, 450)
    with psycopg.connect(url, autocommit=True) as listening:
        listening.execute(f"LISTEN {Channel.FEEDS}")

        with database.begin() as other:
            mark_changed(other, labels)
        said = [one.payload for one in listening.notifies(timeout=5, stop_after=450)]

    assert {UUID(one) for one in said} == labels


def _made_up(session: Session, count: int) -> set[UUID]:
    rows = [{"id": new_id(), "kind": LabelKind.TOPIC, "slug": f"t-{n}", "term": "T"} for n in range(count)]
    session.execute(insert(LabelRow), rows)
    session.execute(insert(FeedRow), [{"label_id": row["id"]} for row in rows])
    return {UUID(str(row["id"])) for row in rows}


def test_a_fragment_rendered_before_a_takedown_is_left_out(session: Session) -> None:
    identifier = published(session)
    rendered = begun(session, identifier)

    retract(session, identifier, reason=None)
    fates = store_entries(session, rendered)

    assert set(fates.values()) == {Done(outcome="left out")}
    assert session.scalars(select(EntryRow)).all() == []
    assert places(session) == {}


def test_a_fragment_of_a_corrected_article_is_the_newest_whatever_the_order(session: Session) -> None:
    stale = begun(session, published(session))
    published(session, title="Đã sửa")
    run_feeds(session)

    store_entries(session, stale)

    (entry,) = session.scalars(select(EntryRow).execution_options(populate_existing=True)).all()
    assert "Đã sửa" in entry.atom
    assert entry.sequence == 2


def test_marking_no_label_changes_nothing(session: Session) -> None:
    mark_changed(session, [])

    assert feed_of(session).generation == 0
