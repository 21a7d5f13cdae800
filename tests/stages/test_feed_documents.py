"""Documents are made once, when somebody asks for them or watches them, and never older than a second."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from threading import Barrier
from uuid import UUID

import pytest
from sqlalchemy import column, event, func, select, text

from feeds.catalog import FeedAddress
from feeds.feed import FeedFormat
from feeds.serving.conditional import Coding
from feeds.serving.document import Document
from feeds.serving.shelf import Shelf
from feeds.serving.store import FeedStore
from publisher.database import Sessions
from publisher.labels import LabelKind
from publisher.retract import retract
from tests.stages.articles import STYLE, published, run_feeds
from tests.waiting import eventually
from workers.feed_news import TRUSTED_S, heard_news

ALL = FeedAddress(kind=LabelKind.ALL, slug="all", format=FeedFormat.ATOM)


def bring_out(database: Sessions, number: int, **fields: object) -> str:
    with database.begin() as session:
        identifier = published(
            session, **{"url": f"https://news.example/{number}", "title": f"Bài số {number}", **fields}
        )
        run_feeds(session)
    return str(identifier)


@pytest.fixture
def shelf() -> Shelf:
    """One that looks into the record each time, unless there are news."""
    return Shelf(64_000_000, good_for_s=0)


@pytest.fixture
def store(database: Sessions, shelf: Shelf) -> FeedStore:
    return FeedStore(database, STYLE, shelf)


@pytest.fixture
def listening(database: Sessions, store: FeedStore, shelf: Shelf) -> Iterator[None]:
    """Until the test ends, the shelf hears the news."""
    with database() as session:
        url = session.get_bind().engine.url.render_as_string(hide_password=False)
    with heard_news(url, store, shelf):
        # News are trusted once somebody asks for feeds.
        eventually(lambda: store.document(ALL) is shelf.good(ALL.path) is not None)
        yield


@contextmanager
def statements(database: Sessions) -> Iterator[list[str]]:
    """Collect what is asked of the database."""
    found: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        found.append(statement)

    engine = database.kw["bind"]
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(engine, "before_cursor_execute", note)


def holds(document: Document | None, identifier: str) -> bool:
    assert document is not None
    return identifier.encode() in document.body.split(b"deleted-entry")[0]


def test_a_document_is_made_once_until_something_changes(database: Sessions, store: FeedStore) -> None:
    bring_out(database, 1)

    first = store.document(ALL)
    with statements(database) as asked:
        again = store.document(ALL)

    assert again is first
    assert len(asked) == 1


def test_the_same_bytes_again_are_not_packed_again(database: Sessions, store: FeedStore) -> None:
    bring_out(database, 1)
    first = store.document(ALL)
    assert first is not None
    packed = first.coded(Coding.GZIP)
    bring_out(database, 1)
    with database.begin() as session:
        session.execute(text("UPDATE feed SET generation = generation + 1"))

    again = store.document(ALL)

    assert again is not None
    assert again.generation > first.generation
    assert again.packed(Coding.GZIP) is packed


def test_two_processes_make_the_same_document(database: Sessions, store: FeedStore) -> None:
    bring_out(database, 1)
    bring_out(database, 2)
    other = FeedStore(database, STYLE, Shelf(1_000_000))

    one, two = store.document(ALL), other.document(ALL)

    assert one is not None
    assert two is not None
    assert (one.body, one.etag, one.changed_at) == (two.body, two.etag, two.changed_at)


def test_who_asks_together_gets_what_one_has_made(database: Sessions) -> None:
    bring_out(database, 1)
    store = FeedStore(database, STYLE, Shelf(64_000_000, good_for_s=60))
    together = Barrier(16)

    def ask(_: int) -> Document | None:
        together.wait()
        return store.document(ALL)

    with statements(database) as asked, ThreadPoolExecutor(16) as readers:
        documents = list(readers.map(ask, range(16)))

    assert len({id(document) for document in documents}) == 1
    assert len([one for one in asked if "FROM article_label" in one]) == 1


def test_a_takedown_is_seen_by_the_next_who_looks(database: Sessions, store: FeedStore) -> None:
    identifier = bring_out(database, 1)
    before = store.document(ALL)

    with database.begin() as session:
        retract(session, UUID(identifier), reason=None)

    assert holds(before, identifier)
    assert not holds(store.document(ALL), identifier)


@pytest.mark.usefixtures("listening")
def test_while_news_are_heard_the_record_is_left_alone(database: Sessions, store: FeedStore) -> None:
    store.document(ALL)

    with statements(database) as asked:
        for _ in range(100):
            store.document(ALL)

    assert len(asked) <= 2


@pytest.mark.usefixtures("listening")
def test_news_outdate_what_is_kept(database: Sessions, store: FeedStore, shelf: Shelf) -> None:
    identifier = bring_out(database, 1)

    eventually(lambda: holds(store.document(ALL), identifier), within_s=5)

    eventually(lambda: shelf.good(ALL.path))
    with database.begin() as session:
        retract(session, UUID(identifier), reason=None)
    eventually(lambda: not holds(store.document(ALL), identifier), within_s=5)


def test_a_takedown_waits_for_no_pause(database: Sessions) -> None:
    identifier = bring_out(database, 1)
    shelf = Shelf(64_000_000, good_for_s=600)
    store = FeedStore(database, STYLE, shelf)
    with database() as session:
        url = session.get_bind().engine.url.render_as_string(hide_password=False)
    with heard_news(url, store, shelf):
        eventually(lambda: listener(database))
        before = store.document(ALL)

        with database.begin() as session:
            retract(session, UUID(identifier), reason=None)

        eventually(lambda: not holds(store.document(ALL), identifier), within_s=5)
    assert holds(before, identifier)


def listener(database: Sessions) -> int | None:
    """Return the server's process that listens already: for whom it is idle, has said so."""
    listening = select(func.max(column("pid"))).select_from(text("pg_stat_activity"))
    mine = "datname = current_database() AND application_name LIKE 'publisher listen%' AND state = 'idle'"
    with database() as session:
        return session.scalar(listening.where(text(f"{mine} AND query <> ''")))


@pytest.mark.usefixtures("listening")
def test_what_is_watched_is_made_before_anybody_asks(
    database: Sessions, store: FeedStore, shelf: Shelf
) -> None:
    identifier = bring_out(database, 1)

    eventually(lambda: holds(shelf.last(ALL.path), identifier), within_s=5)


@pytest.mark.usefixtures("listening")
def test_when_the_connection_for_news_is_cut_nothing_is_missed(
    database: Sessions, store: FeedStore, shelf: Shelf
) -> None:
    with database.begin() as session:
        cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
        session.execute(text(f"{cut} AND application_name LIKE 'publisher listen%'"))

    identifiers = []
    for number in range(10):
        identifiers.append(bring_out(database, number))
        eventually(lambda: holds(store.document(ALL), identifiers[-1]), within_s=5)
    eventually(lambda: store.document(ALL) is shelf.good(ALL.path) is not None)

    assert all(holds(store.document(ALL), identifier) for identifier in identifiers)


@pytest.mark.usefixtures("listening")
def test_what_changed_while_nobody_listened_is_not_good(
    database: Sessions, store: FeedStore, shelf: Shelf
) -> None:
    other, before = replace(ALL, format=FeedFormat.RSS), listener(database)
    with database.begin() as session:
        identifier = published(session)
        run_feeds(session)
        # Ended before the commit, so nobody is told of it.
        session.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": before})

    eventually(lambda: listener(database) not in (None, before))
    # What was proven before it ended is trusted for so long; then only what has been proven anew.
    time.sleep(TRUSTED_S)
    eventually(lambda: store.document(other) is shelf.good(other.path) is not None)

    kept = shelf.good(ALL.path)
    assert kept is None or holds(kept, str(identifier))


@pytest.mark.usefixtures("listening")
def test_news_that_nobody_understands_may_be_of_anything(
    database: Sessions, store: FeedStore, shelf: Shelf
) -> None:
    eventually(lambda: store.document(ALL) is shelf.good(ALL.path) is not None)
    with database.begin() as session:
        session.execute(text("SELECT pg_notify('feeds', 'what a later version says')"))

    eventually(lambda: shelf.good(ALL.path) is None, within_s=5)
    eventually(lambda: store.document(ALL) is shelf.good(ALL.path) is not None)
