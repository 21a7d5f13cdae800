"""The lead of an article as its summary."""

from hypothesis import given
from hypothesis import strategies as st

from publisher.enrich.summary import summary_of
from publisher.paragraphs import html_of, paragraphs_of
from publisher.text import clean_line

LEAD = (
    "Phường đã mời mười ba hộ dân đến trao đổi về dự án mở đường, trước khi công trình bắt đầu vào tháng tới."
)


def summary(markup: str) -> str:
    return summary_of(paragraphs_of(markup))


def test_the_first_paragraph_is_the_summary() -> None:
    assert summary(f"<p>{LEAD}</p><p>Tiếp theo là phần thân bài với nhiều chi tiết hơn nữa.</p>") == LEAD


def test_headings_captions_lists_and_short_lines_are_passed_over() -> None:
    caption = f"<figure><figcaption>{LEAD[:60]}</figcaption></figure>"

    assert summary(f"<h2>Đề mục</h2>{caption}<p>(VNX) -</p><ul><li>a</li></ul><p>{LEAD}</p>") == LEAD


def test_a_short_first_paragraph_takes_the_next_one_along() -> None:
    first = "Mười ba hộ dân đã được hỏi ý kiến hôm qua."

    assert summary(f"<p>{first}</p><p>{LEAD}</p><p>Nữa.</p>") == f"{first} {LEAD}"


def test_a_long_lead_ends_with_a_sentence() -> None:
    sentence = "Theo UBND TP. Hồ Chí Minh, dự án dài 23,6 km sẽ xong vào tháng tới. "

    cut = summary(f"<p>{sentence * 20}</p>")

    assert cut == (sentence * 7).strip()


def test_a_lead_without_sentences_ends_after_a_word() -> None:
    cut = summary(f"<p>{'một hai ba ' * 100}</p>")

    assert len(cut) <= 500
    assert cut.endswith(("một…", "hai…", "ba…"))


def test_one_endless_word_is_cut_anyway() -> None:
    assert summary(f"<p>{'a' * 10_000}</p>") == "a" * 499 + "…"


def test_where_there_is_no_prose_anything_will_do() -> None:
    assert summary("<ul><li>một</li><li>hai</li></ul>") == "một hai"
    assert summary("<img src=a>") == ""


@given(
    st.text() | st.lists(st.sampled_from(["từ ", "Câu. ", "a" * 90, "\n\n", "TP. ", "”", "! "])).map("".join)
)
def test_a_summary_is_one_short_line_of_the_text(text: str) -> None:
    summary = summary_of(paragraphs_of(html_of(text)))

    assert len(summary) <= 500
    assert summary == clean_line(summary)
    assert summary.removesuffix("…") in clean_line(text)
