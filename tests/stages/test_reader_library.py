"""The library `reader` keeps up with our feeds: what it takes for new, what for modified, what for nothing.

It asks with conditions and with `A-IM: feed` by itself. So what it counts is what a delta had in it.
"""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID

import feedparser_sgmllib
import pytest
from reader import Reader, UpdatedFeed, make_reader
from sqlalchemy import select

from publisher.database import Sessions
from publisher.retract import retract
from publisher.schema import ArticleRow
from tests.readers import running_site
from tests.stages.articles import published, run_feeds

FEEDS = [f"/feeds/all.{ending}" for ending in ("atom", "rss", "json")]
NOTHING_NEW = None


class Subscriber:
    """Somebody who reads our feeds with the library."""

    def __init__(self, library: Reader, site: str) -> None:
        self.library = library
        self._site = site
        for path in FEEDS:
            library.add_feed(site + path)

    def update(self) -> list[tuple[int, int, int] | None]:
        """Visit each feed; return what came: new, modified, the same. None: it was not modified at all."""
        return [_counted(self.library.update_feed(self._site + path)) for path in FEEDS]

    def titles(self) -> list[dict[str, str | None]]:
        """Return what it has of each feed: titles by ids."""
        return [
            {one.id: one.title for one in self.library.get_entries(feed=self._site + path)} for path in FEEDS
        ]


def _counted(updated: UpdatedFeed | None) -> tuple[int, int, int] | None:
    return (updated.new, updated.modified, updated.unmodified) if updated else NOTHING_NEW


@pytest.fixture
def subscriber(database: Sessions, monkeypatch: pytest.MonkeyPatch) -> Iterator[Subscriber]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    # reader 3.26, the last for Python 3.11, asks for this by the name that it had before.
    monkeypatch.setitem(sys.modules, "sgmllib", feedparser_sgmllib)
    with running_site(database) as site, make_reader(":memory:") as library:
        yield Subscriber(library, site)


def bring_out(database: Sessions, *numbers: int, **fields: object) -> list[UUID]:
    """Publish articles, or correct them; return their ids."""
    with database.begin() as session:
        identifiers = [
            published(
                session,
                **{"url": f"https://news.example/{number}", "title": f"Bài số {number}", **fields},
            )
            for number in numbers
        ]
        run_feeds(session)
    return identifiers


def test_articles_are_new_once_and_have_their_permanent_ids(
    database: Sessions, subscriber: Subscriber
) -> None:
    bring_out(database, 1, 2, 3)

    visits = [subscriber.update(), subscriber.update()]

    with database() as session:
        uris = set(session.scalars(select(ArticleRow.uri)))
    assert visits == [[(3, 0, 0)] * 3, [NOTHING_NEW] * 3]
    assert [set(titles) for titles in subscriber.titles()] == [uris] * 3


def test_what_was_seen_is_sent_no_second_time(database: Sessions, subscriber: Subscriber) -> None:
    bring_out(database, 1, 2, 3)
    subscriber.update()
    bring_out(database, 4)

    assert [subscriber.update(), subscriber.update()] == [[(1, 0, 0)] * 3, [NOTHING_NEW] * 3]
    assert [len(titles) for titles in subscriber.titles()] == [4] * 3


def test_a_correction_is_a_modification(database: Sessions, subscriber: Subscriber) -> None:
    bring_out(database, 1, 2, 3)
    subscriber.update()
    bring_out(database, 2, title="Bài số 2, đã sửa")

    assert [subscriber.update(), subscriber.update()] == [[(0, 1, 0)] * 3, [NOTHING_NEW] * 3]
    expected = ["Bài số 1", "Bài số 2, đã sửa", "Bài số 3"]
    assert [sorted(map(str, titles.values())) for titles in subscriber.titles()] == [expected] * 3


def test_an_article_that_comes_late_with_an_old_date_is_new(
    database: Sessions, subscriber: Subscriber
) -> None:
    bring_out(database, 1, 2, published=datetime(2021, 11, 23, tzinfo=UTC))
    subscriber.update()
    bring_out(database, 3, published=datetime(2019, 1, 1, tzinfo=UTC))

    assert subscriber.update() == [(1, 0, 0)] * 3


def test_a_retracted_article_does_not_come_back(database: Sessions, subscriber: Subscriber) -> None:
    _, gone, _ = bring_out(database, 1, 2, 3)
    subscriber.update()
    with database.begin() as session:
        retract(session, gone, reason=None)

    first = subscriber.update()
    bring_out(database, 4)
    later = [subscriber.update(), subscriber.update()]

    # Atom says who is gone; the others can only show who is left.
    assert first == [(0, 0, 0), (0, 0, 2), (0, 0, 2)]
    # The library keeps a tag only together with entries, so it names the one before once more.
    assert later == [[(1, 0, 0), (1, 0, 2), (1, 0, 2)], [NOTHING_NEW] * 3]
