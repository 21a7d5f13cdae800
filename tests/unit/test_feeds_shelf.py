"""What is kept of documents is given away only while it is good, and takes no more room than it may."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from feeds.catalog import FeedAddress, Places
from feeds.documents import Assembled
from feeds.feed import FeedFormat
from feeds.serving.delta import History
from feeds.serving.document import Document
from feeds.serving.shelf import WATCHED_S, Shelf
from publisher.ids import new_id
from publisher.labels import LabelKind
from tests.clock import Clock
from tests.fixtures.feeds.samples import FEED

GOOD_FOR_S = 10.0
LABEL = new_id()
PATH = "/feeds/tag/a.atom"


@pytest.fixture
def clock() -> Clock:
    return Clock(1_000.0)


@pytest.fixture
def shelf(clock: Clock) -> Shelf:
    return Shelf(1_000_000, good_for_s=GOOD_FOR_S, clock=clock)


def document(slug: str = "a", *, label: UUID = LABEL, size: int = 6, generation: int = 1) -> Document:
    return Document(
        address=FeedAddress(kind=LabelKind.TAG, slug=slug, format=FeedFormat.ATOM),
        label_id=label,
        generation=generation,
        changed_at=datetime(2021, 11, 23, tzinfo=UTC),
        body=b"x" * size,
        headers={},
    )


def put(shelf: Shelf, one: Document) -> None:
    with shelf.checking(one.label_id) as check:
        shelf.put(one, check)


def test_what_was_just_made_is_good_whatever_is_heard(shelf: Shelf, clock: Clock) -> None:
    put(shelf, document())
    shelf.outdate([LABEL])

    clock.now += GOOD_FOR_S - 1

    assert shelf.good(PATH) == document()


def test_what_must_go_at_once_is_good_for_no_other_moment(shelf: Shelf) -> None:
    put(shelf, document("a"))
    with shelf.checking(LABEL) as check:
        shelf.outdate([LABEL], at_once=True)
        shelf.put(document("b"), check)

    assert [shelf.good(f"/feeds/tag/{one}.atom") for one in "ab"] == [None, None]


def test_pages_of_archives_are_not_made_anew(shelf: Shelf) -> None:
    page = FeedAddress(kind=LabelKind.TAG, slug="a", format=FeedFormat.ATOM, places=Places(1, 50))
    put(shelf, replace(document(), address=page))
    shelf.good(page.path)

    assert shelf.outdate([LABEL]) == []


def test_without_news_a_document_is_good_for_a_moment(shelf: Shelf, clock: Clock) -> None:
    put(shelf, document())

    clock.now += GOOD_FOR_S

    assert shelf.good(PATH) is None
    assert shelf.last(PATH) == document()


def test_while_news_are_heard_it_is_good_until_there_is_news_of_it(shelf: Shelf, clock: Clock) -> None:
    put(shelf, document())
    clock.now += 10 * GOOD_FOR_S
    shelf.trust_news(until=clock.now + 1)

    before = shelf.good(PATH)
    shelf.outdate([new_id()])
    meanwhile = shelf.good(PATH)
    shelf.outdate([LABEL])

    assert (before, meanwhile, shelf.good(PATH)) == (document(), document(), None)


def test_news_that_are_not_heard_any_more_are_no_reason_to_trust(shelf: Shelf, clock: Clock) -> None:
    put(shelf, document())
    shelf.trust_news(until=clock.now + 2 * GOOD_FOR_S)

    clock.now += 2 * GOOD_FOR_S

    assert shelf.good(PATH) is None


def test_news_in_the_middle_of_a_look_may_be_later_than_what_it_saw(shelf: Shelf, clock: Clock) -> None:
    shelf.trust_news(until=clock.now + 100 * GOOD_FOR_S)
    with shelf.checking(LABEL) as check:
        shelf.outdate([LABEL])
        shelf.put(document(), check)

    clock.now += GOOD_FOR_S

    assert shelf.good(PATH) is None


def test_news_of_another_feed_in_the_middle_of_a_look_do_not_matter(shelf: Shelf, clock: Clock) -> None:
    shelf.trust_news(until=clock.now + 100 * GOOD_FOR_S)
    with shelf.checking(LABEL) as check:
        shelf.outdate([new_id()])
        shelf.put(document(), check)

    clock.now += GOOD_FOR_S

    assert shelf.good(PATH) == document()


def test_any_news_may_be_of_a_feed_that_is_looked_for(shelf: Shelf, clock: Clock) -> None:
    shelf.trust_news(until=clock.now + 100 * GOOD_FOR_S)
    with shelf.checking(None) as check:
        shelf.outdate([LABEL])
        shelf.put(document(), check)

    clock.now += GOOD_FOR_S

    assert shelf.good(PATH) is None


def test_when_news_may_have_been_missed_nothing_is_good(shelf: Shelf, clock: Clock) -> None:
    put(shelf, document())
    with shelf.checking(LABEL) as check:
        shelf.outdate_all()
        shelf.put(document("b"), check)
    clock.now += GOOD_FOR_S
    shelf.trust_news(until=clock.now + 1)

    assert shelf.good(PATH) is None
    assert shelf.good("/feeds/tag/b.atom") is None


def test_who_was_asked_for_lately_is_watched(shelf: Shelf, clock: Clock) -> None:
    put(shelf, document("a"))
    put(shelf, document("b"))
    clock.now += WATCHED_S
    shelf.good(PATH)

    assert [one.slug for one in shelf.outdate([LABEL])] == ["a"]


def test_making_a_document_anew_is_not_asking_for_it(shelf: Shelf, clock: Clock) -> None:
    put(shelf, document())
    shelf.good(PATH)
    clock.now += WATCHED_S

    put(shelf, document(generation=2))

    assert shelf.outdate([LABEL]) == []


def test_what_nobody_asked_for_the_longest_makes_room(clock: Clock) -> None:
    shelf = Shelf(2 * document().size, clock=clock)
    put(shelf, document("a"))
    put(shelf, document("b"))
    shelf.good(PATH)

    put(shelf, document("c"))

    assert [shelf.good(f"/feeds/tag/{one}.atom") is not None for one in "abc"] == [True, False, True]


def test_what_is_too_large_is_not_kept_and_what_was_there_is_gone(clock: Clock) -> None:
    shelf = Shelf(3 * document().size, clock=clock)
    put(shelf, document("a"))

    put(shelf, document("b", size=100_000))
    put(shelf, document("a"))

    assert shelf.last("/feeds/tag/b.atom") is None
    assert shelf.last(PATH) == document("a")


def test_what_is_remembered_of_versions_takes_room(clock: Clock) -> None:
    history = History.begun(Assembled(body=b"", format=FeedFormat.ATOM, feed=FEED, entries=[]))
    long = replace(
        document("b"), history=replace(history, earlier={str(number): number for number in range(99)})
    )
    shelf = Shelf(document().size + long.size - 1, clock=clock)
    put(shelf, document("a"))

    put(shelf, long)

    assert long.size > 2 * document().size
    assert shelf.last(PATH) is None


def test_a_document_again_takes_its_room_once(clock: Clock) -> None:
    shelf = Shelf(2 * document().size, clock=clock)
    for generation in range(20):
        put(shelf, document("a", generation=generation))

    put(shelf, document("b"))

    assert shelf.last(PATH) == document("a", generation=19)
