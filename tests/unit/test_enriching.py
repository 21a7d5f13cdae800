"""From an accepted revision to what it is about."""

import re
import time
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.enrich.enriching import enrich
from publisher.enrich.enrichment import EnrichInput, Enrichment
from publisher.enrich.language import load_models
from publisher.text import forbidden_characters
from tests.unit.html_strategies import ANY_HTML, ANY_TEXT, HOSTILE_HTML

ID = UUID("017f22e2-79b0-7cc3-98c4-dc0c0c07398f")


def enriched(**given: Any) -> Enrichment:
    return enrich(EnrichInput(article_id=ID, **{"title": "Phường đối thoại với dân", **given}))


def test_html_is_enriched() -> None:
    found = enriched(content_html="<h2>Đề mục</h2><p>Mười ba hộ dân đã được <b>hỏi ý kiến</b> hôm qua.</p>")

    assert found == Enrichment(
        language="vi",
        summary="Mười ba hộ dân đã được hỏi ý kiến hôm qua.",
        slug="phuong-doi-thoai-voi-dan",
        word_count=13,
        reading_minutes=1,
        content_html="<h2>Đề mục</h2><p>Mười ba hộ dân đã được <b>hỏi ý kiến</b> hôm qua.</p>",
        content_text="Đề mục\n\nMười ba hộ dân đã được hỏi ý kiến hôm qua.",
    )


def test_plain_text_becomes_html_and_stays_as_it_is() -> None:
    found = enriched(content_text="Một < hai.\n\nBa\nbốn.")

    assert found.content_html == "<p>Một &lt; hai.</p><p>Ba<br>bốn.</p>"
    assert found.content_text == "Một < hai.\n\nBa\nbốn."


def test_what_the_sender_says_wins() -> None:
    found = enriched(content_text="Nội dung tiếng Việt.", language="en", summary="Given.")

    assert (found.language, found.summary) == ("en", "Given.")


def test_a_title_without_letters_gets_the_id_as_its_slug() -> None:
    assert enriched(title="😀", content_text="a").slug == str(ID)


def test_an_article_of_one_picture_has_no_summary_and_one_minute() -> None:
    found = enriched(title="Ảnh", content_html='<img src="https://e.vn/a.jpg">')

    assert (found.summary, found.content_text, found.word_count, found.reading_minutes) == ("", "", 0, 1)


@given(ANY_TEXT, ANY_HTML)
def test_any_html_enriches(title: str, markup: str) -> None:
    found = enriched(title=title, content_html=markup)

    _assert_sound(found)


@given(ANY_TEXT, ANY_TEXT)
def test_any_text_enriches(title: str, text: str) -> None:
    found = enriched(title=title, content_text=text)

    _assert_sound(found)
    assert forbidden_characters(found.content_html) == 0


def _assert_sound(found: Enrichment) -> None:
    assert len(found.summary) <= 500
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", found.slug)
    assert found.reading_minutes >= 1
    assert found.word_count >= 0
    assert found.language
    assert forbidden_characters(found.summary) == 0


@given(st.text())
def test_the_same_revision_gives_the_same_enrichment(text: str) -> None:
    assert enriched(content_text=text) == enriched(content_text=text)


@pytest.mark.parametrize("markup", HOSTILE_HTML.values(), ids=HOSTILE_HTML.keys())
def test_hostile_articles_enrich_in_linear_time(markup: str) -> None:
    started = time.process_time()

    enriched(content_html=markup)

    assert time.process_time() - started < 2


def test_an_article_of_two_megabytes_enriches_within_two_seconds() -> None:
    load_models()
    paragraph = "<p>Theo UBND TP. Hồ Chí Minh, dự án dài <b>23,6 km</b> &amp; sẽ xong vào quý III.</p>\n"
    markup = paragraph * (2_000_000 // len(paragraph.encode()))
    started = time.process_time()

    found = enriched(content_html=markup)

    assert time.process_time() - started < 2
    assert found.word_count > 100_000
