"""How long an article is."""

import pytest

from publisher.enrich.length import reading_minutes, word_count


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 0),
        ("Đưa chính quyền đến gần dân, sát cơ sở", 9),
        ("23,6 ha – 1.685 hộ (319/QĐ-TTg)…", 5),
        ("don’t stop", 2),
        ("这个城市的桥", 3),
        ("Tokyo 東京", 2),
        ("!!! … –", 0),
    ],
)
def test_words_are_counted_as_people_count_them(text: str, words: int) -> None:
    assert word_count(text) == words


@pytest.mark.parametrize(("words", "minutes"), [(0, 1), (200, 1), (201, 2), (1_000, 5)])
def test_reading_takes_a_minute_for_200_words(words: int, minutes: int) -> None:
    assert reading_minutes(words) == minutes
