"""What endpoints ask for: patterns of types, folded categories, one hash for equal filters."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.events import EventType
from publisher.notify.endpoints.filters import (
    DELIVERED,
    PATTERNS,
    Filter,
    asks_for,
    category_slug,
    filter_hash,
    filter_of,
    matches,
)

FILTERS = st.builds(
    Filter,
    event_types=st.lists(st.sampled_from(PATTERNS), min_size=1).map(tuple),
    categories=st.none() | st.lists(st.text(), min_size=1).map(tuple),
)
# Few values, so that two of them are often the same filter in other words.
ALIKE = st.builds(
    Filter,
    event_types=st.lists(st.sampled_from(PATTERNS[:2]), min_size=1, max_size=3).map(tuple),
    categories=st.none() | st.lists(st.sampled_from(["A", "a", "á", "B"]), min_size=1).map(tuple),
)
TYPES = st.sampled_from(DELIVERED)


@pytest.mark.parametrize(
    ("pattern", "event_type", "expected"),
    [
        ("article.published", "article.published", True),
        ("article.published", "article.corrected", False),
        ("article.*", "article.retracted", True),
        ("article.*", "endpoint.disabled", False),
        ("endpoint.*", "endpoint.disabled", True),
        ("endpoint.*", "article.published", False),
        ("*", "article.published", True),
        ("*", "endpoint.test", True),
    ],
)
def test_a_pattern_covers_a_type_or_a_family_or_everything(
    pattern: str, event_type: str, expected: bool
) -> None:
    wanted = Filter(event_types=(pattern,))

    assert expected == asks_for(wanted, event_type)
    assert expected == matches(wanted, event_type)


def test_one_pattern_that_fits_is_enough() -> None:
    wanted = Filter(event_types=("article.retracted", "article.published"))

    assert matches(wanted, EventType.ARTICLE_PUBLISHED)


@pytest.mark.parametrize("name", ["Xã hội", "XÃ HỘI", "xa-hoi", "Xa\u0303 ho\u0323\u0302i", " xã  hội "])
def test_categories_are_compared_folded(name: str) -> None:
    wanted = Filter(event_types=("article.*",), categories=(name,))

    assert matches(wanted, EventType.ARTICLE_PUBLISHED, ["kinh-te", category_slug("Xã hội")])


def test_an_article_in_no_wanted_category_does_not_match() -> None:
    wanted = Filter(event_types=("*",), categories=("Xã hội",))

    assert not matches(wanted, EventType.ARTICLE_PUBLISHED, ["kinh-te"])
    assert not matches(wanted, EventType.ARTICLE_PUBLISHED)


def test_categories_do_not_narrow_events_about_endpoints() -> None:
    wanted = Filter(event_types=("*",), categories=("Xã hội",))

    assert matches(wanted, EventType.ENDPOINT_DISABLED)


def test_our_own_events_can_not_be_asked_for() -> None:
    assert not {"article.received", "article.enriched", "housekeeping.due", "housekeeping.*"} & set(PATTERNS)


def test_filters_that_differ_in_order_and_spelling_have_one_hash() -> None:
    one = Filter(event_types=("article.published", "article.retracted"), categories=("Xã hội", "Kinh tế"))
    other = Filter(
        event_types=("article.retracted", "article.published", "article.published"),
        categories=("kinh-te", "XÃ HỘI"),
    )

    assert filter_hash(one) == filter_hash(other)


def test_all_categories_is_not_the_same_as_one() -> None:
    everything = Filter(event_types=("article.*",))
    some = Filter(event_types=("article.*",), categories=("Xã hội",))

    assert filter_hash(everything) != filter_hash(some)


@given(FILTERS)
def test_a_filter_survives_the_record(wanted: Filter) -> None:
    stored = json.loads(json.dumps(wanted.as_json()))

    assert wanted == filter_of(stored)
    assert filter_hash(wanted) == filter_hash(filter_of(stored))
    assert len(filter_hash(wanted)) == 32


@given(ALIKE, ALIKE, TYPES, st.lists(st.sampled_from(["a", "b", "other"])))
def test_filters_with_one_hash_answer_alike(
    one: Filter, other: Filter, event_type: str, slugs: list[str]
) -> None:
    if filter_hash(one) == filter_hash(other):
        assert matches(one, event_type, slugs) == matches(other, event_type, slugs)


@given(FILTERS, TYPES, st.lists(st.text()))
def test_no_categories_and_categories_agree_on_the_type(
    wanted: Filter, event_type: str, names: list[str]
) -> None:
    slugs = [category_slug(name) for name in names]

    if matches(wanted, event_type, slugs):
        assert asks_for(wanted, event_type)
