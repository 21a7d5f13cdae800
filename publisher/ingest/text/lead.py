"""The lead (sapo) of a page: the paragraph between title and body that sums the article up."""

import re
from collections.abc import Sequence

from publisher.ingest.text.lines import Line

# `(PLO)- `, `(Chinhphu.vn) - `, `(ĐTCK) `: the agency's mark, which says nothing to a reader elsewhere.
_AGENCY = re.compile(r"\((?:[A-ZĐ]{2,8}|[\w.]{2,16})\)\s*[-–—]\s*|\([A-ZĐ]{2,8}\)\s+")
# News that starts with its day is being told; a lead sums it up. A lead may do so as well, if it is short.
_TOLD = re.compile(
    r"(?:sáng|trưa|chiều|tối|đêm|rạng sáng|ngày|hôm|đầu|giữa|cuối|trong|mới đây|từ)\b[^,.]{0,30}[0-9]",
    re.IGNORECASE,
)
_SHORTEST = 40
_LONGEST = 420
_LONGEST_ATTACHED = 600
_LONGEST_TOLD = 350


def split_lead(lines: Sequence[Line]) -> tuple[str | None, Sequence[Line]]:
    """Return the lead, None if no paragraph clearly is one, and the lines below it.

    A lead stands right under the title's controls or apart, is a sentence or a few, and paragraphs follow:
    one if the page parts its paragraphs by empty lines and the lead from nothing, otherwise two.
    """
    if not lines or not lines[0].is_sentence or len(lines[0].text) < _SHORTEST:
        return None, lines
    lead, body = lines[0], lines[1:]
    following = sum(line.is_sentence for line in body)
    stands_out = lead.attached and body and not any(line.attached for line in body)
    told = _TOLD.match(lead.text) is not None
    if stands_out:
        fits = following >= 1 and len(lead.text) <= (_LONGEST_TOLD if told else _LONGEST_ATTACHED)
    else:
        fits = following >= 2 and len(lead.text) <= _LONGEST and not told
    return (without_agency(lead.text), body) if fits else (None, lines)


def without_agency(text: str) -> str:
    """Return the lead without the mark of the agency it came from."""
    return _AGENCY.sub("", text, count=1) if text.startswith("(") else text
