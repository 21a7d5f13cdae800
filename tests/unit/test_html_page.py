"""HTML pages of portals become the fields of an article, and nothing of the page around it."""

import contextlib
import re
import socket
import time
import unicodedata
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.article import Image, Person, Source
from publisher.errors import InvalidInput
from publisher.ingest.html.page import parse_html_page
from publisher.ingest.submission import Submission

LOCAL = ZoneInfo("Asia/Ho_Chi_Minh")
URL = "https://donghoa.example/tin/chuyen-tau-hoa-12.html"
TITLE = "Chuyến tàu hoa về phố trước rằm"
LEAD = "Mỗi năm một lần, đoàn tàu chở hoa chạy suốt đêm để kịp phiên chợ sớm. Năm nay tàu thêm hai toa lạnh."
FIRST = (
    "Ga xép giữa đồng sáng đèn từ chiều, người trồng hoa xếp từng bó cúc và lay ơn vào sọt tre lót lá chuối. "
    "Tàu dừng đúng mười hai phút nên ai cũng tập cho mình thói quen xếp hàng từ trước."
)
SECOND = (
    "Trên tàu, nhân viên thay nhau đi kiểm tra nhiệt độ của hai toa lạnh, ghi vào cuốn sổ treo ở cửa. "
    "Bình luận của các chủ vườn là hoa năm nay tới nơi còn đọng sương."
)
META = """<meta property="article:published_time" content="2024-08-16T05:20:00+07:00">
<meta property="og:title" content="Chuyến tàu hoa về phố trước rằm">
<meta property="og:image" content="/a/bia.jpg">
<link rel="canonical" href="https://donghoa.example/tin/chuyen-tau-hoa.html">"""
BODY = f"""<p>{FIRST}</p>
<figure><img data-src="/a/ga.jpg" src="data:image/gif;base64,R0==" alt="Ga xép">
<figcaption>Ga lúc chiều.</figcaption></figure>
<h2>Hai toa lạnh</h2><p>{SECOND}/.</p><ul><li>Hoa cúc</li><li>Lay ơn</li></ul>"""
PAGE = f"""<!DOCTYPE html><html lang="vi">
<head><meta charset="utf-8"><title>{TITLE} | Báo Đồng Hòa</title>{META}</head>
<body><nav><a href="/">Trang chủ</a></nav><div class="clock">Thứ Bảy, ngày 17/08/2024</div>
<div class="main"><h1 class="title">{TITLE}</h1>
<div class="meta"><span>Ngày đăng: 15/08/2024&nbsp;&nbsp;08:00</span></div>
<div class="tool">Mặc định Cỡ chữ</div><p class="sapo">(ĐHO) - {LEAD}</p>
<div class="article-content">{BODY}<p class="author">Đặng Thu Hiền</p><p>Theo: donghoa.example</p></div>
<div class="tags">Từ khóa: hoa, đường sắt</div>
<div class="comment-box"><h3>Bình luận</h3>
<p>Nhà tôi ở cạnh đường tàu, mùa này đi ngủ cũng thấy thơm, mong tàu chạy mãi cho cả phố vui.</p></div>
<div class="tin-lien-quan"><h3>Tin liên quan</h3>
<ul><li><a href="/tin/vuon.html">Vườn ươm đầu mùa</a> (01/08/2024)</li></ul></div>
</div><footer>© 2024 Báo Đồng Hòa. Địa chỉ: phố Ga</footer></body></html>"""
LINKED_DATA = """<script type="application/ld+json">
{"@type": "NewsArticle", "datePublished": "2024-08-14T01:00:00Z"}</script>"""
CHROME = re.compile(
    "Trang chủ|17/08/2024|Ngày đăng|Mặc định|Từ khóa|Nhà tôi|Tin liên quan|Vườn ươm|©|phố Ga|Theo:|Thu Hiền"
)


def read(page: str | bytes, url: str | None = URL) -> Submission:
    return parse_html_page(page, url=url, local=LOCAL)


def text_of(submission: Submission) -> str:
    return re.sub("<[^>]+>", " ", submission.content_html or "")


def in_windows_1258(text: str) -> bytes:
    """Encode like Vietnamese Windows: vowels are composed, tones follow them."""
    data = b""
    for character in unicodedata.normalize("NFC", text):
        try:
            data += character.encode("cp1258")
        except UnicodeEncodeError:
            parts = unicodedata.normalize("NFD", character)
            tones = [part for part in parts if part in "\u0300\u0301\u0303\u0309\u0323"]
            base = unicodedata.normalize("NFC", "".join(part for part in parts if part not in tones))
            data += base.encode("cp1258") + "".join(tones).encode("cp1258")
    return data


def test_every_field_of_a_portal_page_is_found() -> None:
    found = read(PAGE)

    assert found.title == TITLE
    assert found.summary == LEAD
    assert found.published == datetime.fromisoformat("2024-08-16T05:20:00+07:00")
    assert found.url == "https://donghoa.example/tin/chuyen-tau-hoa.html"
    assert found.language == "vi"
    assert found.source == Source(name="donghoa.example")
    assert found.authors == (Person(name="Đặng Thu Hiền"),)
    assert found.tags == ("hoa", "đường sắt")
    assert found.images == (
        Image(url="https://donghoa.example/a/bia.jpg"),
        Image(url="https://donghoa.example/a/ga.jpg", alt="Ga xép", caption="Ga lúc chiều."),
    )
    [related] = found.related
    assert (related.title, related.url) == ("Vườn ươm đầu mùa", "https://donghoa.example/tin/vuon.html")
    assert related.published == datetime(2024, 8, 1, tzinfo=LOCAL)


def test_the_body_keeps_its_structure_and_nothing_of_the_page() -> None:
    found = read(PAGE)

    markup = found.content_html or ""
    assert f"<p>{FIRST}</p>" in markup
    assert f"<h2>Hai toa lạnh</h2><p>{SECOND}</p>" in markup
    assert 'src="https://donghoa.example/a/ga.jpg"' in markup
    assert "<li>Hoa cúc</li>" in markup
    assert CHROME.search(text_of(found)) is None
    assert LEAD not in markup


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(re.sub(r' class="[^"]*"', "", PAGE), id="no names of classes"),
        pytest.param(
            PAGE.replace("<body>", "<body><form id=f>").replace("</body>", "</form></body>"), id="one form"
        ),
        pytest.param(PAGE.replace("</p>", "").replace("</div>", ""), id="unclosed elements"),
        pytest.param(PAGE.replace("article-content", "x-1"), id="a body of another name"),
        pytest.param('<?xml version="1.0" encoding="UTF-8"?>' + PAGE, id="XHTML"),
        pytest.param(unicodedata.normalize("NFD", PAGE), id="decomposed"),
        pytest.param(PAGE.replace("\n", "\r\n"), id="Windows line ends"),
    ],
)
def test_pages_that_are_built_otherwise_give_the_same_body(page: str) -> None:
    found = read(page)

    assert found.title == TITLE
    assert FIRST in text_of(found)
    assert SECOND in text_of(found)
    assert not re.search("Nhà tôi|Vườn ươm|©|Trang chủ|17/08/2024", text_of(found))


def test_text_parted_by_line_breaks_is_parted_into_paragraphs() -> None:
    broken = f"{FIRST}<br><br>Hai toa lạnh<br>{SECOND}<br>Theo: donghoa.example<br>Tin liên quan<br>Vườn ươm"
    page = PAGE.replace(BODY, broken)

    found = read(page)

    assert [f"<p>{FIRST}</p>", "<h2>Hai toa lạnh</h2>", f"<p>{SECOND}</p>"] == (
        found.content_html or ""
    ).splitlines()
    assert "Vườn ươm" in [item.title for item in found.related]


@pytest.mark.parametrize(
    ("instead", "expected"),
    [
        ("", "2024-08-15T08:00:00+07:00"),
        (
            LINKED_DATA,
            "2024-08-14T01:00:00+00:00",
        ),
        ('<meta name="pubdate" content="13/08/2024 10:00">', "2024-08-13T10:00:00+07:00"),
        ('<script type="application/ld+json">{broken</script>', "2024-08-15T08:00:00+07:00"),
        ('<script type="application/ld+json">' + "[" * 100_000 + "</script>", "2024-08-15T08:00:00+07:00"),
    ],
)
def test_the_date_comes_from_the_page_if_no_property_states_it(instead: str, expected: str) -> None:
    page = PAGE.replace(META.splitlines()[0], instead)

    found = read(page)

    assert found.published == datetime.fromisoformat(expected)


def test_the_dates_of_other_articles_are_not_the_articles() -> None:
    page = PAGE.replace(META.splitlines()[0], "").replace("Ngày đăng: 15/08/2024&nbsp;&nbsp;08:00", "")

    found = read(page)

    assert found.published is None


def test_a_paragraph_that_the_page_describes_itself_with_is_the_lead() -> None:
    described = PAGE.replace(f'<p class="sapo">(ĐHO) - {LEAD}</p>', "").replace(
        "</title>", f'</title><meta name="description" content="{LEAD[:70]}...">'
    )
    third = "Người mua quen mặt đón ngay ở sân ga, trả tiền rồi chở hoa đi khi trời chưa sáng."
    page = described.replace(BODY, f"<p>{LEAD}</p>{BODY}<p>{third}</p>")

    found = read(page)

    assert found.summary == LEAD
    assert LEAD not in text_of(found)


def test_a_page_may_not_give_itself_the_address_of_another_host() -> None:
    found = read(PAGE, url="https://khac.example/tin/1")

    assert found.url == "https://khac.example/tin/1"


def test_without_an_address_the_page_names_its_own() -> None:
    found = read(PAGE, url=None)

    assert found.url == "https://donghoa.example/tin/chuyen-tau-hoa.html"


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(PAGE.encode("utf-8-sig"), id="UTF-8 with a mark"),
        pytest.param(PAGE.encode("utf-16"), id="UTF-16"),
        pytest.param(in_windows_1258(PAGE.replace("utf-8", "windows-1258")), id="Windows-1258"),
        pytest.param(PAGE.replace("utf-8", "iso-8859-1").encode(), id="UTF-8 that calls itself Latin"),
    ],
)
def test_bytes_are_read_in_the_encoding_that_fits(data: bytes) -> None:
    found = read(data)

    assert found.title == TITLE
    assert FIRST in text_of(found)


def test_bytes_in_no_known_encoding_are_refused() -> None:
    with pytest.raises(InvalidInput, match="expected text in UTF-8"):
        read(PAGE.encode().replace(b"<p>", b"<p>\xff\xfe", 1))


@pytest.mark.parametrize("page", ["", "   ", "<!-- -->", "\x00"])
def test_a_page_without_anything_is_refused(page: str) -> None:
    with pytest.raises(InvalidInput, match="expected"):
        read(page)


def test_a_page_with_a_title_and_no_text_is_refused() -> None:
    with pytest.raises(InvalidInput, match="content_html: expected an article below the title"):
        read(f"<html><body><h1>{TITLE}</h1><footer>© 2024</footer></body></html>")


def test_removed_control_characters_are_named() -> None:
    found = read(PAGE.replace("Ga xép giữa", "Ga\x07 xép giữa"))

    assert FIRST in text_of(found)
    assert found.warnings == ("content_html: removed control character (1)",)


def test_no_page_makes_us_open_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a page was read over the network")

    monkeypatch.setattr(socket, "socket", refuse)
    page = f'<base href="http://127.0.0.1:9/"><body><h1>{TITLE}</h1><div>{FIRST} {SECOND}</div>'

    found = read(page)

    assert FIRST in text_of(found)


@pytest.mark.parametrize(
    "part",
    [
        pytest.param("<div>", id="deep"),
        pytest.param("<p>a</p>", id="many elements"),
        pytest.param(f"<p>{FIRST}</p>", id="many paragraphs"),
        pytest.param("chữ ", id="one text"),
        pytest.param("<!--", id="comments"),
        pytest.param("<p <div <a href='", id="unclosed tags"),
        pytest.param("<a href=/x>Tin khác nữa</a> ", id="links"),
        pytest.param("&amp;", id="entities"),
        pytest.param(" x /.", id="end marks"),
    ],
)
def test_two_megabytes_are_read_or_refused_within_two_seconds(part: str) -> None:
    page = f"<html><body><h1>{TITLE}</h1><div class=x>" + part * (2_000_000 // len(part.encode()))

    started = time.process_time()
    with contextlib.suppress(InvalidInput):
        read(page)

    assert time.process_time() - started < 4  # twice the aim, for machines that do other things


def test_thousands_of_attributes_are_refused() -> None:
    page = f"<html><body><h1>{TITLE}</h1><p {' '.join(f'a{i}=b' for i in range(150_000))}>{FIRST}</p>"

    with pytest.raises(InvalidInput, match="attributes"):
        read(page)


FRAGMENT = st.sampled_from(
    [
        *("<div>", "</div>", "<p>", "</p>", "<h1>", "</h1>", "<ul><li>", "</ul>", "<br>", "<table><tr><td>"),
        *(
            "<div class=related>",
            "<div class=sapo>",
            "<article>",
            "<!--",
            "<img src=x>",
            "<a href=/y>",
            "<form>",
        ),
        *(FIRST, SECOND, LEAD, TITLE, "Tin liên quan", "Bình luận", "Theo: x.example", "Ngày đăng: 1/2/2024"),
    ]
)


@given(st.lists(FRAGMENT, max_size=40).map("".join))
def test_any_heap_of_fragments_is_read_or_refused(page: str) -> None:
    try:
        found = read(page)
    except InvalidInput:
        return

    assert found.title
    assert found.content_html


@given(st.text() | st.binary())
def test_anything_at_all_is_read_or_refused(page: str | bytes) -> None:
    try:
        found = read(page)
    except InvalidInput:
        return

    assert found.title
