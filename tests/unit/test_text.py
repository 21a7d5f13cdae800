"""Clean, folded and slug forms of text."""

import re
import time
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from publisher.text import clean, clean_line, fold, forbidden_characters, slugify

ANY_TEXT = st.text(st.characters(exclude_categories=()))


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("Bộ trưởng\u00a0Phạm", "Bộ trưởng Phạm"),
        ("8\u202f021\u2007km", "8 021 km"),
        ("ze\u200bro\u200d wi\ufeffdth so\u00adft", "zero width soft"),
        ("a\x00b\x0bc\x1b\x7f\x9fd", "abcd"),
        ("lone \ud800 surrogate", "lone  surrogate"),
        ("non\ufffe\uffff\ufdd0\U0001ffff\U0010fffecharacters", "noncharacters"),
        ("one\r\ntwo\rthree\u2028four\x85five", "one\ntwo\nthree\nfour\nfive"),
        ("tab\tstays", "tab\tstays"),
        (unicodedata.normalize("NFD", "Ủy ban thường vụ"), "Ủy ban thường vụ"),
        ("e\u200b\u0301", "é"),
        ("Tom & Jerry <b> 😀", "Tom & Jerry <b> 😀"),
    ],
)
def test_clean_text_is_nfc_visible_and_allowed_in_xml(raw: str, expected: str) -> None:
    assert clean(raw) == expected


@given(ANY_TEXT)
@example("e\u200b\u0301")
@example(">\u0301\u0338 onload=x")
@example("\u0344" * 40)
@example("\u0958" + "\u0301" * 31)
def test_clean_text_is_stable_and_never_harmful(text: str) -> None:
    cleaned = clean(text)

    assert clean(cleaned) == cleaned
    assert unicodedata.is_normalized("NFC", cleaned)
    assert forbidden_characters(cleaned) == 0
    assert cleaned.encode().decode() == cleaned


@pytest.mark.parametrize("marks", ["\u0338", "\u0301\u0338", "\u200b\u0338", "\ufdd0\u0338"])
def test_a_mark_never_melts_into_the_bracket_of_a_tag(marks: str) -> None:
    assert clean(f"<b>{marks}x</b>").startswith("<b>")


def test_marks_without_end_on_one_letter_take_no_time() -> None:
    started = time.process_time()

    cleaned = clean("a" + "\u0301\u0316" * 100_000)

    assert len(cleaned) <= 31
    assert time.process_time() - started < 2


def test_long_rules_and_rows_of_emoji_are_kept() -> None:
    assert clean("—" * 100 + "😀" * 100) == "—" * 100 + "😀" * 100


def test_a_clean_line_has_single_spaces() -> None:
    assert clean_line("  Hà\n\tNội\u00a0 23\r\n") == "Hà Nội 23"


@pytest.mark.parametrize(("text", "count"), [("", 0), ("a\tb\n", 0), ("\x00\x1b", 2), ("\ud800\ufffe", 2)])
def test_forbidden_characters_are_counted(text: str, count: int) -> None:
    assert forbidden_characters(text) == count


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Hoà Bình", "HÒA  BÌNH"),
        ("Đà Nẵng", "đà nẵng"),
        ("Ðà Nẵng", "Đà Nẵng"),
        (unicodedata.normalize("NFD", "thuỷ điện"), "THỦY ĐIỆN"),
        ("Xã\u00a0hội", "xa hoi"),
        ("Straße", "STRASSE"),
    ],
)
def test_spellings_of_one_name_fold_to_one_key(one: str, other: str) -> None:
    assert fold(one) == fold(other)


@given(ANY_TEXT)
def test_folding_twice_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(st.text())
def test_the_key_does_not_depend_on_normalisation(text: str) -> None:
    assert fold(unicodedata.normalize("NFD", text)) == fold(unicodedata.normalize("NFC", text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Đường 23,6 km", "duong-23-6-km"),
        ("1.685 hộ dân, 1.217.000 đồng", "1685-ho-dan-1217000-dong"),
        ("Xã hội", "xa-hoi"),
        ("Quyết định số 319/QĐ-TTg ngày 17.04.2024", "quyet-dinh-so-319-qd-ttg-ngay-17-04-2024"),
        ("  “Dân biết, dân bàn”…  ", "dan-biet-dan-ban"),
        ("社会", "id"),
        ("", "id"),
        ("a" * 90, "a" * 80),
    ],
)
def test_slugs_read_like_the_title(text: str, expected: str) -> None:
    assert slugify(text, fallback="id") == expected


def test_a_long_slug_is_cut_between_words() -> None:
    slug = slugify("Đưa chính quyền đến gần dân " * 10, fallback="id")

    assert len(slug) <= 80
    assert slug.endswith(("-dua", "-chinh", "-quyen", "-den", "-gan", "-dan"))


@given(ANY_TEXT)
def test_a_slug_has_only_letters_digits_and_single_hyphens(text: str) -> None:
    slug = slugify(text, fallback="id")

    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", slug)
    assert len(slug) <= 80
