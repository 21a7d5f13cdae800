"""Pages scraped as text become the fields of an article, and nothing of the page around it."""

import html
import json
import re
import time
import unicodedata
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from publisher.article import Person, Source
from publisher.errors import InvalidInput
from publisher.ingest.reading import read_bytes
from publisher.ingest.submission import Submission
from publisher.ingest.text.page import parse_text, parse_text_page

LOCAL = ZoneInfo("Asia/Ho_Chi_Minh")
PAGES = Path(__file__).parents[1] / "fixtures" / "pages"
NAMES = sorted(path.stem for path in PAGES.glob("*.txt"))

TITLE = "Xã đảo có trạm y tế mới"
LEAD = "Trạm có tám phòng và một bến cho ca nô cấp cứu. Người dân không còn phải chờ tàu vào đất liền."
FIRST = (
    "Công trình được xây trên nền cao hơn mực nước lũ lịch sử một mét rưỡi, mái dốc để hứng nước mưa. "
    "Trong phòng khám có máy siêu âm xách tay, tủ thuốc và giường cho người bệnh nằm lại qua đêm."
)
SECOND = (
    "Hai bác sĩ trẻ đã tình nguyện ra đảo làm việc trong ba năm, mỗi tháng về thăm nhà một lần. Họ được "
    "bố trí chỗ ở ngay cạnh trạm và nhận thêm phụ cấp theo quy định chung."
)
PAGE = [
    "Hà Tiên, Ngày 02/02/2023",
    TITLE,
    "Ngày đăng: 01/02/2023 08:30",
    "Mặc định Cỡ chữ",
    LEAD,
    FIRST,
    SECOND,
    "Theo: daoxa.example",
]


def page(lines: list[str]) -> Submission:
    found = parse_text_page("\n\n".join(lines), local=LOCAL)
    assert found is not None
    return found


def body(submission: Submission) -> list[list[str]]:
    elements = re.finditer(r"<(p|h2|figcaption)>(.*?)</\1>", submission.content_html or "")
    return [[element[1], html.unescape(element[2])] for element in elements]


def texts(submission: Submission) -> list[str]:
    return [text for _, text in body(submission)]


def fields(submission: Submission) -> dict[str, Any]:
    return {
        "title": submission.title,
        "published": submission.published and submission.published.isoformat(),
        "summary": submission.summary,
        "body": body(submission),
        "source": submission.source and submission.source.name,
        "authors": [author.name for author in submission.authors],
        "tags": list(submission.tags),
        "related": [
            [item.title, item.published and item.published.date().isoformat(), item.summary]
            for item in submission.related
        ],
    }


@pytest.mark.parametrize("name", NAMES)
def test_every_field_of_a_page_is_found(name: str) -> None:
    text = read_bytes((PAGES / f"{name}.txt").read_bytes())
    expected = json.loads((PAGES / f"{name}.json").read_text(encoding="utf-8"))

    found = parse_text_page(text, local=LOCAL)

    assert found is not None
    assert expected == fields(found)
    assert (found.url, found.guid, found.content_text) == (None, None, None)


def test_the_fixtures_are_what_their_names_say() -> None:
    decomposed = (PAGES / "decomposed.txt").read_text(encoding="utf-8")
    windows = (PAGES / "windows_line_ends.txt").read_bytes()
    spaces = (PAGES / "no_break_spaces.txt").read_text(encoding="utf-8")

    assert unicodedata.is_normalized("NFD", decomposed)
    assert windows.count(b"\n") == windows.count(b"\r\n") > 10
    assert "\u00a0" in spaces


def test_the_pages_own_offset_wins_over_the_local_zone() -> None:
    lines = [*PAGE[:2], "Thứ Tư, 01/02/2023, 08:30 (GMT+9)", *PAGE[3:]]

    found = page(lines)

    assert found.published is not None
    assert found.published.isoformat() == "2023-02-01T08:30:00+09:00"


def test_the_clock_of_the_portal_is_not_the_date_of_the_article() -> None:
    found = page([*PAGE[:2], *PAGE[3:]])

    assert found.published is None
    assert found.title == TITLE


def test_a_date_that_makes_no_sense_is_no_date() -> None:
    found = page([*PAGE[:2], "Ngày đăng: 32/13/2023 08:30", *PAGE[3:]])

    assert found.published is None
    assert found.title == TITLE


@pytest.mark.parametrize(
    "sentence",
    [
        "Theo Chủ tịch xã, trạm phục vụ cả tàu cá của các tỉnh bạn neo lại tránh bão quanh đảo.",
        "Bình luận của nhiều người dân trên trang của xã đều mong trạm sớm có thêm một nữ hộ sinh.",
        "Nguồn nước của trạm lấy từ bể chứa hai trăm khối và một máy lọc nước biển cỡ nhỏ.",
        "Chia sẻ niềm vui ấy, các thầy cô ở trường tiểu học tặng trạm một tủ sách nhỏ.",
        "Ngày đăng ký khám đầu tiên, có hơn sáu mươi lượt người đến trạm.",
        "Tin tức cùng chuyên mục trên báo đảo cho hay bến ca nô sẽ xong trước mùa gió chướng.",
    ],
)
def test_a_paragraph_that_sounds_like_the_page_stays_in_the_body(sentence: str) -> None:
    found = page([*PAGE[:6], sentence, *PAGE[6:]])

    assert [FIRST, sentence, SECOND] == texts(found)
    assert found.source == Source(name="daoxa.example")


@pytest.mark.parametrize(
    "heading",
    [
        "Tin liên quan",
        "Tin tức cùng chuyên mục",
        "Các tin khác:",
        "CÁC TIN ĐÃ ĐƯA",
        "Bài viết liên quan",
        "Đọc thêm",
        "Xem thêm",
        "Có thể bạn quan tâm",
        "Tin cùng chủ đề",
    ],
)
def test_related_articles_are_found_under_every_heading(heading: str) -> None:
    found = page([*PAGE, heading, "Đảo xa có điện", "Ngày đăng 10/01/2023\nĐiện về bằng cáp ngầm."])

    assert texts(found) == [FIRST, SECOND]
    [item] = found.related
    assert item.title == "Đảo xa có điện"
    assert item.summary == "Điện về bằng cáp ngầm."
    assert item.published is not None
    assert item.published.isoformat() == "2023-01-10T00:00:00+07:00"


def test_the_footers_office_is_no_related_article() -> None:
    lists = ["Tin khác", "Đảo xa có điện", "Ngày đăng 10/01/2023"]

    found = page([*PAGE, *lists, "Tạp chí Đảo xa", "Cơ quan chủ quản: Ủy ban xã", "Điện thoại: 000"])

    assert [item.title for item in found.related] == ["Đảo xa có điện"]


def test_a_line_between_two_paragraphs_is_a_subhead_even_below_a_caption_without_a_stop() -> None:
    caption = "Cán bộ trạm hướng dẫn người dân trên đảo cách dùng tủ thuốc gia đình"

    found = page([*PAGE[:6], caption, "Bác sĩ ở lại", *PAGE[6:]])

    assert body(found) == [["p", FIRST], ["p", caption], ["h2", "Bác sĩ ở lại"], ["p", SECOND]]


@pytest.mark.parametrize("ending", [[], ["Theo: daoxa.example"]])
def test_comments_never_enter_the_body(ending: list[str]) -> None:
    comments = [FIRST.replace("Công trình", "Tôi thấy trạm"), SECOND.replace("Hai bác sĩ", "Mấy anh ấy")]

    found = page([*PAGE[:-1], *ending, "Bình luận (2)", *comments, "Gửi bình luận"])

    assert texts(found) == [FIRST, SECOND]


def test_a_page_without_any_paragraph_below_its_title_is_refused() -> None:
    with pytest.raises(InvalidInput, match="content_text: expected an article below the title"):
        parse_text("\n".join(PAGE[:4]), local=LOCAL)


def test_a_page_of_navigation_only_is_refused() -> None:
    with pytest.raises(InvalidInput, match="title: expected a page with a title"):
        parse_text("Trang chủ > Tin tức\nChia sẻ\nIn bài viết", local=LOCAL)


def test_a_text_without_any_mark_of_a_page_is_its_first_line_and_the_rest() -> None:
    text = "Họp tổ dân phố\n\nCuộc họp bắt đầu lúc bảy giờ tối.\n\nMời bà con đến đông đủ."

    assert parse_text_page(text, local=LOCAL) is None
    found = parse_text(text, local=LOCAL)

    assert found.title == "Họp tổ dân phố"
    assert texts(found) == ["Cuộc họp bắt đầu lúc bảy giờ tối.", "Mời bà con đến đông đủ."]
    assert found.published is None


def test_lines_broken_at_a_margin_are_one_paragraph() -> None:
    text = (
        "Thông báo\n\nTừ ngày mai, điểm bán vé tháng của tuyến xe buýt số 12\n"
        "Bến Thượng chuyển sang nhà chờ bên kia đường.\nMời hành khách lưu ý.\n"
    )

    found = parse_text(text, local=LOCAL)

    assert texts(found)[0].startswith("Từ ngày mai, điểm bán vé tháng của tuyến xe buýt số 12 Bến Thượng")
    assert texts(found)[1:] == ["Mời hành khách lưu ý."]


def test_a_text_of_one_line_is_its_own_title() -> None:
    found = parse_text("Nghỉ họp tuần này.", local=LOCAL)

    assert found.title == "Nghỉ họp tuần này."
    assert texts(found) == ["Nghỉ họp tuần này."]


@pytest.mark.parametrize("text", ["", "  \n\u00a0\n\t", "\ufeff\u200b"])
def test_an_empty_text_is_refused_with_what_was_expected(text: str) -> None:
    with pytest.raises(InvalidInput, match="content_text: expected a text with a title in its first line"):
        parse_text(text, local=LOCAL)


def test_markup_in_a_text_is_text() -> None:
    found = page([*PAGE[:5], "<script>alert(1)</script> " + FIRST, SECOND])

    assert "<script>" not in (found.content_html or "")
    assert texts(found)[0].startswith("<script>alert(1)</script>")


def test_removed_control_characters_are_named() -> None:
    found = page([*PAGE[:5], FIRST.replace("mét", "m\x08ét"), SECOND])

    assert texts(found) == [FIRST, SECOND]
    assert found.warnings == ("content_text: removed control character (1)",)


def test_a_source_given_as_an_address_is_named_after_its_host() -> None:
    found = page([*PAGE[:-1], "Nguồn: https://www.daoxa.example/tin/12"])

    assert found.source == Source(name="daoxa.example", url="https://www.daoxa.example/tin/12")


@pytest.mark.parametrize("byline", ["Tác giả: Lê Thị Hoa", "Lê Hoa", "Bài, ảnh: Lê Thị Hoa", "LÊ THỊ HOA"])
def test_a_byline_under_the_title_or_below_the_body_names_the_author(byline: str) -> None:
    above = page([*PAGE[:3], byline, *PAGE[3:]])
    below = page([*PAGE[:7], byline, *PAGE[7:]])

    for found in (above, below):
        assert (Person(name=byline.rpartition(": ")[2]),) == found.authors
        assert found.summary == LEAD
        assert texts(found) == [FIRST, SECOND]


CHROME = st.sampled_from(
    ["Mặc định Cỡ chữ", "Chia sẻ", "In bài viết", "Lượt xem: 1.234", "Về đầu trang", "A- A A+", "Facebook"]
)


@given(st.lists(st.tuples(st.integers(0, len(PAGE)), CHROME), max_size=6))
def test_controls_change_nothing_wherever_they_stand(extra: list[tuple[int, str]]) -> None:
    lines = list(PAGE)
    for position, line in extra:
        lines.insert(position, line)

    found = page(lines)

    assert (found.title, found.summary, texts(found)) == (TITLE, LEAD, [FIRST, SECOND])
    assert found.source == Source(name="daoxa.example")


@given(st.lists(st.sampled_from([*PAGE, "Bình luận", "Tin liên quan", "© 2023", "Hoa Lê", "- Đảo", ""])))
def test_a_page_in_any_disorder_is_read_or_refused(lines: list[str]) -> None:
    try:
        found = parse_text("\n".join(lines), local=LOCAL)
    except InvalidInput:
        return

    assert found.title
    assert not {"Mặc định Cỡ chữ", "Ngày đăng: 01/02/2023 08:30"} & set(texts(found)[1:])


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = parse_text(text, local=LOCAL)
    except InvalidInput:
        return

    assert found.title.strip()
    assert found.content_html


@example("\u0338")
@given(st.text(st.characters(codec="utf-8")))
def test_what_is_read_is_in_the_composed_form(text: str) -> None:
    try:
        found = parse_text(f"{TITLE}\n\n{text}\n\nTheo: daoxa.example", local=LOCAL)
    except InvalidInput:
        return

    assert unicodedata.is_normalized("NFC", found.content_html or "")


@pytest.mark.parametrize(
    "line", ["Bình luận\n", "a\n", f"{FIRST}\n", "Ngày đăng 1/2/2023\n", "A " * 90 + "\n"]
)
def test_a_long_page_is_read_within_two_seconds(line: str) -> None:
    text = (
        f"{TITLE}\n{FIRST}\n" + line * min(19_000, 2_000_000 // len(line.encode())) + f"{FIRST}\n{SECOND}\n"
    )

    started = time.process_time()
    parse_text(text, local=LOCAL)

    assert time.process_time() - started < 4  # twice the aim, for machines that do other things


def test_more_lines_than_an_article_can_have_are_refused() -> None:
    with pytest.raises(InvalidInput, match="content_text: expected at most 20000 lines, found 20001"):
        parse_text("a\n" * 20_001, local=LOCAL)
