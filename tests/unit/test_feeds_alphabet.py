"""The order of names: as Vietnamese dictionaries have it, and some order for whatever else."""

import random
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.alphabet import alphabetical

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
IN_ORDER = {
    "letters": ["a", "ă", "â", "b", "c", "d", "đ", "e", "ê", "g", "o", "ô", "ơ", "p", "u", "ư", "v"],
    "tones": ["ma", "mà", "mả", "mã", "má", "mạ"],
    "a letter counts before a tone": ["mạ", "mạc", "măng", "mắng", "mâm"],
    "the first letters count before all later tones": ["Hà Nội", "Hạ tầng", "Hải Phòng"],
    "names": ["An Giang", "Ăn uống", "Ân xá", "Bình Dương", "Dân vận", "Dũng", "Đà Nẵng", "Đồng Nai", "Em"],
    "a shorter name": ["An", "An Giang", "Anh"],
    "kinds of characters": ["Quý 1", "Quý-1", "Quý1", "Quýa"],
    "digits": ["1", "10", "2", "A"],
    "small letters": ["hà nội", "Hà Nội", "HÀ NỘI"],
}


@pytest.mark.parametrize("names", IN_ORDER.values(), ids=IN_ORDER.keys())
def test_names_stand_where_people_look_for_them(names: list[str]) -> None:
    shuffled = random.sample(names, len(names))

    assert sorted(shuffled, key=alphabetical) == names


@given(text=TEXTS)
def test_however_a_name_is_composed_it_stands_at_one_place(text: str) -> None:
    composed, decomposed = (unicodedata.normalize(form, text) for form in ("NFC", "NFD"))

    assert alphabetical(composed)[:2] == alphabetical(decomposed)[:2]


@given(first=TEXTS, second=TEXTS)
def test_only_equal_names_have_equal_keys(first: str, second: str) -> None:
    assert (alphabetical(first) == alphabetical(second)) == (first.swapcase() == second.swapcase())
