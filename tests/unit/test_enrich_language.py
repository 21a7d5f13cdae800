"""Which language a text is written in."""

import unicodedata

import pytest
from hypothesis import given

from publisher.enrich.language import language_of
from tests.unit.html_strategies import ANY_TEXT


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Phường đối thoại với người dân", "vi"),
        (unicodedata.normalize("NFD", "Phường đối thoại với người dân"), "vi"),
        ("PHƯỜNG ĐỐI THOẠI VỚI NGƯỜI DÂN", "vi"),
        ("The council has approved the new bridge over the river.", "en"),
        ("Le conseil municipal a approuvé le nouveau pont sur la rivière.", "fr"),
        ("Consiliul local a aprobat noul pod peste râu și începe construcția lui.", "ro"),
        ("这个城市的新桥梁已经获得批准并且开始建设", "zh"),
        ("สภาเมืองอนุมัติสะพานใหม่แล้ว", "th"),
    ],
)
def test_the_language_is_recognised(text: str, language: str) -> None:
    assert language_of(text) == language


@pytest.mark.parametrize("text", ["", "OK", "1.234,5 – 12/2021", "😀" * 50, "qwrtz xxkjh zzzpl mnbvc"])
def test_what_cannot_be_told_is_undetermined(text: str) -> None:
    assert language_of(text) == "und"


@given(ANY_TEXT)
def test_any_text_has_a_language_or_none(text: str) -> None:
    assert language_of(text)


def test_half_a_surrogate_pair_does_not_hinder() -> None:
    assert (
        language_of("Half of a pair \ud800 stands in this English sentence, and nobody minds at all.") == "en"
    )
