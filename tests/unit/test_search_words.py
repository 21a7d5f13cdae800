"""Words are told apart in every script, and compared without their marks or with them."""

import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.search.index import quoted, search_document
from feeds.search.words import LONGEST_WORD, Word, words_of
from publisher.article import PublicArticle, category_of
from publisher.text import fold

TEXT = st.text(st.characters(exclude_categories=("Cs",)))


def article(
    *,
    title: str = "",
    summary: str = "",
    text: str = "",
    language: str = "vi",
    categories: Sequence[str] = (),
) -> PublicArticle:
    at = datetime(2021, 11, 23, tzinfo=UTC)
    return PublicArticle(
        id=UUID(int=1), uri="tag:a", sequence=1, link="https://a.example/", title=title, slug="a",
        summary=summary, content_html="", content_text=text, language=language, published=at, updated=at,
        categories=tuple(category_of(name) for name in categories),
    )  # fmt: skip


def folded(text: str) -> list[str]:
    return [word.folded for word in words_of(text)]


def exact(text: str) -> list[str]:
    return [word.exact for word in words_of(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Đà Nẵng, ngày 23/11", ["da", "nang", "ngay", "23", "11"]),
        ("319/QĐ-TTg", ["319", "qd", "ttg"]),
        ("don't snake_case", ["don", "t", "snake", "case"]),
        ("iPhone手机15", ["iphone", "手", "机", "15"]),
        ("กิ่งไม้", ["กิ", "ง", "ไ", "ม"]),
        ("हिन्दी", ["हिनदी"]),
        ("مُحَمَّد", ["محمد"]),
        ("한국어 뉴스", ["한국어", "뉴스"]),
        ("Straße ΑΘΉΝΑ", ["strasse", "αθηνα"]),
        ("a\x00b\u200bc d\u00a0e", ["abc", "d", "e"]),
        ("– … “” ! 😀 \u0301", []),
    ],
)
def test_words_of_any_script_are_told_apart(text: str, expected: list[str]) -> None:
    assert folded(text) == expected


def test_two_placements_of_a_tone_are_one_spelling() -> None:
    assert exact("hoà thuỷ uỷ toà khoẻ") == exact("hòa thủy ủy tòa khỏe")


def test_other_spellings_are_others_though_they_fold_to_the_same() -> None:
    spellings = ["ma", "mà", "má", "mả", "mã", "mạ", "mâ", "mấ", "mă"]

    assert {word.folded for one in spellings for word in words_of(one)} == {"ma"}
    assert len({word.exact for one in spellings for word in words_of(one)}) == len(spellings)


def test_what_looks_like_d_with_stroke_is_one() -> None:
    assert set(words_of("Đà Ðà Ɖà đà ðà")) == set(words_of("đà"))


def test_without_marks_a_word_is_what_it_folds_to() -> None:
    assert set(words_of("Nang NANG nang")) == {Word("nang", "nang")}


@given(TEXT)
def test_words_are_short_and_never_empty_whatever_the_text(text: str) -> None:
    for word in words_of(text * 3):
        assert 0 < len(word.folded) <= LONGEST_WORD
        assert 0 < len(word.exact.encode()) < 2_046
        assert not set(word.folded + word.exact) & set(" '\"\\:&|!<>()*")


@given(TEXT)
def test_composed_and_decomposed_are_the_same_words(text: str) -> None:
    composed = unicodedata.normalize("NFC", text)

    assert list(words_of(unicodedata.normalize("NFD", composed))) == list(words_of(composed))


@given(TEXT)
def test_who_leaves_out_marks_asks_for_the_same_folded_words(text: str) -> None:
    assert folded(fold(text)) == folded(text)


@given(TEXT)
def test_a_quoted_lexeme_ends_where_it_ends(text: str) -> None:
    inside = quoted(text)[1:-1]

    assert inside.replace("''", "").replace("\\\\", "").count("'") == 0
    assert inside.replace("\\\\", "\\").replace("''", "'") == text


def test_a_document_has_both_forms_of_a_word_at_its_place_and_what_narrows_a_search() -> None:
    document = search_document(
        article(title="Đà Nẵng", summary="nang", categories=["Xã hội"], language="vi-VN")
    )

    tilde = "\u0303"
    assert document == f"'language:vi' 'category:xa-hoi' 'da':1 'đa\u0300':1 'nang':2,4 'năng{tilde}':2"


def test_the_first_places_count_when_there_are_too_many() -> None:
    document = search_document(article(title="a " * 300, text="b c " * 20_000))

    places = {one.partition(":")[0]: one.count(",") + 1 for one in document.split()}
    assert places == {"'language": 1, "'a'": 255, "'b'": 255, "'c'": 255}
