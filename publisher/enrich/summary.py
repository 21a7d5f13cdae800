"""The lead of an article as its summary."""

import re
from collections.abc import Sequence

from publisher.paragraphs import Paragraph

LONGEST_SUMMARY = 500
_SHORTEST_LEAD = 100
_SHORTEST_PARAGRAPH = 40
# What is not told in sentences says little about the article.
_NO_PROSE = frozenset(
    ("h1", "h2", "h3", "h4", "h5", "h6", "figcaption", "caption", "li", "tr", "dt", "dd", "pre")
)
# A sentence ends after a small letter, a digit or a closing sign: “TP. Hồ Chí Minh” goes on.
_SENTENCE_END = re.compile(
    r"(?<=[^\W_A-ZĐ\u00c0-\u00de]|[”\"'’»)%])(?:[.!?…]+[”\"'’»)]*(?=\s)|[。！？]+[」』”]*)"
)


def summary_of(paragraphs: Sequence[Paragraph]) -> str:
    """Return the lead: the first paragraphs of prose on one line, at most 500 characters.

    It is cut after a sentence if one ends in its second half, else after a word, with “…”.
    """
    lead = ""
    for paragraph in _prose(paragraphs):
        lead = f"{lead} {paragraph.text}" if lead else paragraph.text
        if len(lead) >= _SHORTEST_LEAD:
            break
    return _cut(lead)


def _prose(paragraphs: Sequence[Paragraph]) -> Sequence[Paragraph]:
    """Return what is told in sentences, from the first paragraph on that is more than a dateline."""
    told = [one for one in paragraphs if one.element not in _NO_PROSE]
    first = next((i for i, one in enumerate(told) if len(one.text) >= _SHORTEST_PARAGRAPH), 0)
    return told[first:] or paragraphs


def _cut(text: str) -> str:
    if len(text) <= LONGEST_SUMMARY:
        return text
    ends = [end.end() for end in _SENTENCE_END.finditer(text[: LONGEST_SUMMARY + 1])]
    if ends and LONGEST_SUMMARY // 2 <= ends[-1] <= LONGEST_SUMMARY:
        return text[: ends[-1]]
    words = text[:LONGEST_SUMMARY].rpartition(" ")[0] or text[: LONGEST_SUMMARY - 1]
    return words.rstrip(" ,;:–—-") + "…"
