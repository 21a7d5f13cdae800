"""What is asked for is read in one way, and has one address."""

from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.feed import FeedFormat
from feeds.search.address import SearchAddress
from feeds.search.query import LONGEST_QUERY, NotASearch, parse_search

TEXT = st.text(st.characters(exclude_categories=("Cs",)))


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("mua lon", "('mua') & ('lon')"),
        ("mua MUA mua", "('mua')"),
        ('"mua lon" to', "('mua' <-> 'lon') & ('to')"),
        ("“mua lon”", "('mua' <-> 'lon')"),
        ("mua -lon", "('mua') & !('lon')"),
        ('-"lon to" mua', "('mua') & !('lon' <-> 'to')"),
        ("mua -- lon-to", "('mua') & ('lon' <-> 'to')"),
        ('mua "lon to', "('mua') & ('lon') & ('to')"),
        ('mua"lon"', "('mua' <-> 'lon')"),
        ('mua ""', "('mua')"),
        ("mua & lon | !to", "('mua') & ('lon') & ('to')"),
        ("mua AND (lon:*)", "('mua') & ('and') & ('lon')"),
        ("a'b\\c", "('a' <-> 'b' <-> 'c')"),
        ("北京", "('北' <-> '京')"),
    ],
)
def test_words_phrases_and_exclusions_are_read_and_all_else_is_text(asked: str, expected: str) -> None:
    assert parse_search(asked).query == expected


def test_categories_and_a_language_narrow_it() -> None:
    search = parse_search("mua", ["Xã hội", "thoi-tiet", "xa-hoi", " "], "VI-vn")

    assert (search.categories, search.language) == (("thoi-tiet", "xa-hoi"), "vi")
    assert search.query == "('mua') & ('category:thoi-tiet' | 'category:xa-hoi') & 'language:vi'"


@pytest.mark.parametrize(
    ("parameter", "q", "category", "lang"),
    [
        ("q", "", [], ""),
        ("q", "-mua", [], ""),
        ("q", "?!", [], ""),
        ("q", "a" * (LONGEST_QUERY + 1), [], ""),
        ("category", "a", ["a"] * 51, ""),
        ("category", "a", ["a" * 201], ""),
        ("lang", "a", [], "v"),
        ("lang", "a", [], "vi'"),
        ("lang", "a", [], "đđ"),
    ],
)
def test_what_is_no_search_is_refused_by_name(parameter: str, q: str, category: list[str], lang: str) -> None:
    with pytest.raises(NotASearch) as refusal:
        parse_search(q, category, lang)

    assert refusal.value.parameter == parameter


@given(q=TEXT, categories=st.lists(TEXT, max_size=3), language=st.sampled_from(["", "vi", "EN-gb"]))
def test_an_address_leads_to_itself(q: str, categories: list[str], language: str) -> None:
    try:
        search = parse_search(q, categories, language)
    except NotASearch:
        return
    address = SearchAddress(search=search, format=FeedFormat.RSS)

    path, _, query = address.path.partition("?")
    said = parse_qsl(query, keep_blank_values=True, strict_parsing=True)
    again = parse_search(
        dict(said)["q"], [value for name, value in said if name == "category"], dict(said).get("lang", "")
    )

    assert path == "/feeds/search.rss"
    assert said == sorted(said)
    assert query.isascii()
    assert SearchAddress(search=again, format=FeedFormat.RSS) == address
    assert again.query == search.query


def test_an_address_has_its_parameters_in_order_and_its_values_in_one_form() -> None:
    search = parse_search("  mu\u0031\u031ba   to & +", ["Xã hội", "a"], "vi-VN")

    address = SearchAddress(search=search, format=FeedFormat.ATOM)

    assert address.path == (
        "/feeds/search.atom?category=a&category=xa-hoi&lang=vi&q=mu1%CC%9Ba%20to%20%26%20%2B"
    )
