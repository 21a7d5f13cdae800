"""A delta and the version that it starts from are the whole document; where they are not, there is none."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from feeds.content import FeedContent, Placed, document_of
from feeds.documents import Assembled, assemble, spans_of
from feeds.feed import FeedFormat, Tombstone
from feeds.serving.delta import History
from feeds.style import FeedStyle
from tests.fixtures.feeds.samples import FEED, article, rendered

LENGTH = 4
STYLE = FeedStyle(
    title="Tin tức",
    author="Toà soạn",
    language="vi",
    base_url="https://tin.example",
    tag_domain="tin.example",
    length=LENGTH,
)
EVERY_FORMAT = pytest.mark.parametrize("feed_format", list(FeedFormat))
AT = datetime(2021, 11, 23, tzinfo=UTC)
Texts = Mapping[str, str]
_FRAGMENTS = {
    FeedFormat.ATOM: "<entry><id>{}</id><title>{}</title></entry>",
    FeedFormat.RSS: "<item><guid>{}</guid><title>{}</title></item>",
    FeedFormat.JSON: '{{"id":"{}","title":"{}"}}',
}


@dataclass
class Entry:
    """An article in the feed: its place there, and how often it was corrected."""

    position: int
    text: int = 0


class Newsroom:
    """A feed that articles come into, and are corrected in, and leave."""

    def __init__(self, feed_format: FeedFormat) -> None:
        self.format = feed_format
        self.entries: dict[UUID, Entry] = {}
        self.gone: dict[UUID, Entry] = {}
        self.tombstones: list[Tombstone] = []
        self.last_position = 0
        self.now = AT

    def publish(self, _: int = 0) -> None:
        self.last_position += 1
        self.entries[UUID(int=self.last_position)] = Entry(self.last_position)

    def correct(self, number: int = 0) -> None:
        for identifier in self._one_of(self.entries, number):
            self.entries[identifier].text += 1

    def retract(self, number: int = 0) -> None:
        self.now += timedelta(seconds=1)
        for identifier in self._one_of(self.entries, number):
            self.gone[identifier] = self.entries.pop(identifier)
            self.tombstones.insert(0, Tombstone(article_id=identifier, uri=str(identifier), when=self.now))

    def take_out_of_the_category(self, number: int = 0) -> None:
        for identifier in self._one_of(self.entries, number):
            self.gone[identifier] = self.entries.pop(identifier)

    def restore(self, number: int = 0) -> None:
        for identifier in self._one_of(self.gone, number):
            self.last_position += 1
            self.entries[identifier] = replace(self.gone.pop(identifier), position=self.last_position)
            self.tombstones = [one for one in self.tombstones if one.article_id != identifier]

    def document(self) -> Assembled:
        newest = sorted(self.entries.items(), key=lambda one: -one[1].position)[:LENGTH]
        placed = [
            Placed(
                article_id=identifier,
                position=entry.position,
                updated=AT,
                fragment=_FRAGMENTS[self.format].format(identifier, entry.text),
            )
            for identifier, entry in newest
        ]
        shown = self.tombstones[:LENGTH]
        content = FeedContent(feed=FEED, format=self.format, entries=placed, tombstones=shown)
        return document_of(content, STYLE)

    def _one_of(self, articles: Mapping[UUID, Entry], number: int) -> list[UUID]:
        return [sorted(articles)[number % len(articles)]] if articles else []


WHAT_HAPPENS = st.sampled_from(
    [
        Newsroom.publish,
        Newsroom.publish,
        Newsroom.correct,
        Newsroom.retract,
        Newsroom.take_out_of_the_category,
        Newsroom.restore,
    ]
)
# What happens between two documents.
TIMES = st.lists(
    st.lists(st.tuples(WHAT_HAPPENS, st.integers(0, 9)), min_size=1, max_size=4), min_size=1, max_size=12
)


def read(feed_format: FeedFormat, document: bytes) -> tuple[Texts, Sequence[str]]:
    """Return the texts of the entries, by their ids, and the ids that tombstones name."""
    if feed_format is FeedFormat.JSON:
        return {one["id"]: one["title"] for one in json.loads(document)["items"]}, []
    root = etree.fromstring(document)
    named = {
        one.findtext("{*}id") or one.findtext("guid"): one.findtext("{*}title") or one.findtext("title")
        for one in (*root.iter("{*}entry"), *root.iter("item"))
    }
    gone = [str(one.get("ref")) for one in root.iter("{http://purl.org/atompub/tombstones/1.0}deleted-entry")]
    return {str(identifier): str(text) for identifier, text in named.items()}, gone


def ids_in(feed_format: FeedFormat, document: bytes | None) -> list[int]:
    assert document is not None
    return [UUID(one).int for one in read(feed_format, document)[0]]


def tag_of(document: Assembled) -> str:
    return document.body.hex()


def delta_of(*documents: Assembled) -> bytes | None:
    """Return what is sent of the last document to who has the first."""
    history = history_of(*documents)
    known = {**history.earlier, tag_of(documents[-1]): history.version}
    return history.delta(known[tag_of(documents[0])]) if tag_of(documents[0]) in known else None


def history_of(*documents: Assembled) -> History:
    """Return the history of the last document; versions count from 0."""
    history = History.begun(documents[0])
    for before, document in pairwise(documents):
        history = history.followed_by(document, tag=tag_of(before))
    return history


@EVERY_FORMAT
@given(times=TIMES)
def test_what_a_reader_had_and_a_delta_are_what_there_is(feed_format: FeedFormat, times: list) -> None:
    newsroom = Newsroom(feed_format)
    documents = [newsroom.document()]
    for time in times:
        for happens, number in time:
            happens(newsroom, number)
        if newsroom.document().body != documents[-1].body:
            documents.append(newsroom.document())
    history, current = history_of(*documents), documents[-1]
    by_tag = {tag_of(one): one for one in documents}

    for tag, version in (*history.earlier.items(), (tag_of(current), history.version)):
        delta = history.delta(version)
        if delta is None:
            continue
        had, deleted_before = read(feed_format, by_tag[tag].body)
        new, deleted = read(feed_format, delta)
        has = {one: text for one, text in had.items() if one not in (*deleted, *deleted_before)} | new
        places = {str(one.article_id): one.position for one in (*by_tag[tag].entries, *current.entries)}
        in_sight = {one: text for one, text in has.items() if places[one] >= current.oldest}
        assert in_sight == read(feed_format, current.body)[0]


@EVERY_FORMAT
def test_what_is_new_or_changed_stands_in_it_in_the_same_envelope(feed_format: FeedFormat) -> None:
    newsroom = Newsroom(feed_format)
    for _ in range(3):
        newsroom.publish()
    before = newsroom.document()
    newsroom.publish()
    newsroom.correct(1)
    after = newsroom.document()

    delta = delta_of(before, after)

    assert ids_in(feed_format, delta) == [4, 2]
    without = [after.body[one.span].decode() for one in after.entries if one.article_id.int in (4, 2)]
    assert delta == assemble(feed_format, after.feed, without)


def test_the_envelope_is_as_new_as_a_tombstone_that_the_reader_has() -> None:
    newsroom = Newsroom(FeedFormat.ATOM)
    for _ in range(3):
        newsroom.publish()
    newsroom.now += timedelta(days=365)
    newsroom.retract()
    before = newsroom.document()
    newsroom.publish()

    delta = delta_of(before, newsroom.document())

    root = etree.fromstring(delta or b"")
    assert b"deleted-entry" not in (delta or b"")
    assert root.findtext("{*}updated") == etree.fromstring(before.body).findtext("{*}updated")


def test_atom_tells_a_takedown_as_a_tombstone_and_nothing_else() -> None:
    newsroom = Newsroom(FeedFormat.ATOM)
    for _ in range(3):
        newsroom.publish()
    newsroom.retract(0)
    before = newsroom.document()
    newsroom.retract(1)

    delta = delta_of(before, newsroom.document())

    assert read(FeedFormat.ATOM, delta or b"") == ({}, [str(UUID(int=3))])


@pytest.mark.parametrize("feed_format", [FeedFormat.RSS, FeedFormat.JSON])
def test_formats_without_a_word_for_a_takedown_start_anew_with_it(feed_format: FeedFormat) -> None:
    newsroom = Newsroom(feed_format)
    for _ in range(3):
        newsroom.publish()
    first = newsroom.document()
    newsroom.retract(1)
    second = newsroom.document()
    newsroom.publish()

    history = history_of(first, second, newsroom.document())

    assert list(history.earlier) == [tag_of(second)]


@EVERY_FORMAT
def test_what_only_left_a_category_is_told_by_the_whole_document(feed_format: FeedFormat) -> None:
    newsroom = Newsroom(feed_format)
    for _ in range(3):
        newsroom.publish()
    before = newsroom.document()
    newsroom.take_out_of_the_category(0)

    assert delta_of(before, newsroom.document()) is None


def test_who_missed_a_tombstone_that_gave_way_to_newer_ones_starts_anew() -> None:
    newsroom = Newsroom(FeedFormat.ATOM)
    for _ in range(3 * LENGTH):
        newsroom.publish()
    first = newsroom.document()
    newsroom.retract(-1)
    second = newsroom.document()
    for _ in range(LENGTH):
        newsroom.retract(0)
    third = newsroom.document()

    assert delta_of(first, second, third) is None
    assert read(FeedFormat.ATOM, delta_of(second, third) or b"") == (
        {},
        [str(UUID(int=number)) for number in range(LENGTH, 0, -1)],
    )


def test_what_left_out_of_sight_is_told_where_the_feed_goes_back_to_it() -> None:
    newsroom = Newsroom(FeedFormat.ATOM)
    for _ in range(LENGTH - 1):
        newsroom.publish()
    first = newsroom.document()
    newsroom.publish()
    newsroom.publish()
    second = newsroom.document()
    newsroom.take_out_of_the_category(0)
    newsroom.retract(0)
    third = newsroom.document()

    assert delta_of(first, second, third) is None
    assert delta_of(second, third) is not None


@EVERY_FORMAT
def test_what_has_no_room_any_more_need_not_be_told(feed_format: FeedFormat) -> None:
    newsroom = Newsroom(feed_format)
    for _ in range(LENGTH):
        newsroom.publish()
    before = newsroom.document()
    newsroom.publish()

    assert ids_in(feed_format, delta_of(before, newsroom.document())) == [LENGTH + 1]


@EVERY_FORMAT
def test_who_may_have_missed_articles_gets_the_whole_document(feed_format: FeedFormat) -> None:
    newsroom = Newsroom(feed_format)
    newsroom.publish()
    before = newsroom.document()
    for _ in range(LENGTH):
        newsroom.publish()

    assert delta_of(before, newsroom.document()) is None


@EVERY_FORMAT
def test_who_has_all_of_it_gets_an_empty_document(feed_format: FeedFormat) -> None:
    newsroom = Newsroom(feed_format)
    newsroom.publish()

    assert ids_in(feed_format, delta_of(newsroom.document())) == []


def test_a_version_that_comes_again_is_the_later_one() -> None:
    newsroom = Newsroom(FeedFormat.RSS)
    newsroom.publish()
    first = newsroom.document()
    newsroom.publish()
    second = newsroom.document()
    newsroom.take_out_of_the_category(1)
    again = newsroom.document()
    newsroom.publish()

    assert history_of(first, second, again, newsroom.document()).earlier == {tag_of(first): 2}


def test_so_many_versions_are_remembered_and_no_more() -> None:
    newsroom = Newsroom(FeedFormat.JSON)
    newsroom.publish()
    documents = []
    for _ in range(150):
        newsroom.correct()
        documents.append(newsroom.document())

    history = history_of(*documents)

    assert list(history.earlier) == [tag_of(one) for one in documents[49:149]]
    assert history.size < 30_000


@EVERY_FORMAT
def test_entries_are_found_in_the_document_that_they_stand_in(feed_format: FeedFormat) -> None:
    fragments = [one.fragment(feed_format) for one in rendered(article(1), article(2), article(3))]
    document = assemble(feed_format, FEED, fragments)

    assert [document[span].decode() for span in spans_of(feed_format, document, fragments)] == fragments
    assert spans_of(feed_format, assemble(feed_format, FEED, []), []) == []
