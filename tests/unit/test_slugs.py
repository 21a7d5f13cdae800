"""What names are found under: a slug that tells each from others, and is the same for two spellings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.article import slug_of


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Xã hội", "xa-hoi"),
        ("ĐỜI SỐNG", "doi-song"),
        ("Khoa học & Công nghệ", "khoa-hoc-cong-nghe"),
        ("“Tin” – mới!", "tin-moi"),
    ],
)
def test_a_name_in_our_letters_is_found_under_them(name: str, slug: str) -> None:
    assert slug_of(name) == slug


@pytest.mark.parametrize(
    "names",
    [
        ("C", "C++", "C#"),
        ("北京 2022", "上海 2022", "2022"),
        ("Иван IT", "Олег IT", "IT"),
        ("Tin 😀", "Tin 😂", "Tin"),
        ("新闻", "體育", "???"),
    ],
)
def test_different_names_are_found_under_different_slugs(names: tuple[str, ...]) -> None:
    assert len({slug_of(name) for name in names}) == len(names)


@pytest.mark.parametrize(
    ("one", "other"), [("hoà bình", "HÒA  BÌNH"), ("Ёлка 1", "ёлка 1"), ("Μύθος", "μυθοσ")]
)
def test_two_spellings_are_one_name(one: str, other: str) -> None:
    assert slug_of(one) == slug_of(other)


@given(st.text(min_size=1, max_size=200))
def test_a_slug_is_a_segment_of_a_path_and_its_own_slug(name: str) -> None:
    slug = slug_of(name)

    assert slug.isascii()
    assert slug.replace("-", "").isalnum()
    assert len(slug) <= 90
    assert slug_of(slug) == slug
