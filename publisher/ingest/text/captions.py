"""Captions: the lines that a scraper leaves of a picture."""

import re
from collections.abc import Sequence
from itertools import pairwise

from publisher.text import fold

_PICTURE = re.compile(
    r"(?:ảnh|ảnh minh họa|ảnh tư liệu|hình ảnh minh họa|trong ảnh|nguồn ảnh) ?[:.(].*|ảnh minh họa"
    r"|.{10,250}[(.,–-] ?(?:ảnh|nguồn ảnh|ảnh tư liệu) ?: ?[^.:]{2,60}\)?\.?"
    r"|.{10,250}\(ảnh[^()]{2,60}\)\.?",
    re.IGNORECASE,
)
_SCENE = re.compile(
    r"(?:quang cảnh|toàn cảnh|một góc) (?:buổi|cuộc|hội|lễ|phiên|khu|công trình|tuyến|trường|chợ|làng|bến) .*"
    r"|(?:các )?đại biểu (?:chụp ảnh|dự|tham dự|tham quan) .*",
    re.IGNORECASE,
)
# A caption shows; it neither reports what was said nor carries an argument on.
_ARGUMENT = re.compile(
    r"(?:theo|tuy|bên cạnh|ngoài|đây|đó|do|vì|nhờ|trong khi|cùng|đồng thời|sau|trước|từ|đến|ngày|sáng|chiều"
    r"|tối|như|song|nhưng|và|để|khi|nếu|hiện|tại|dự kiến|mặt khác|qua|với|cũng|nhằm|được biết|thời gian)\b.*"
    r"|.*\b(?:cho biết|cho rằng|khẳng định|nhấn mạnh|yêu cầu|đề nghị|chia sẻ|cho hay|nói)\b.*"
    r"|.*[\"“”?].*",
    re.IGNORECASE,
)
_LONGEST = 220
_FEWEST_PAIRS = 12
_SHORTEST_NEIGHBOUR = 200
_SHARE = 0.5


def is_caption(text: str, neighbours: Sequence[str]) -> bool:
    """Return whether the line describes a picture.

    It says so itself (`Ảnh: …`), or it is one sentence of which at least half of the word pairs stand in
    the longer paragraph before or after: a caption names what that paragraph is about, an argument goes on.
    """
    if len(text) > _LONGEST:
        return False
    if _PICTURE.fullmatch(text):
        return True
    if _ARGUMENT.fullmatch(text) or any(start.isupper() for start in re.findall(r"[.!…] +(\w)", text)):
        return False
    return _SCENE.fullmatch(text) is not None or _repeats(text, neighbours)


def _repeats(text: str, neighbours: Sequence[str]) -> bool:
    pairs = _word_pairs(text)
    return len(pairs) >= _FEWEST_PAIRS and any(
        len(neighbour) >= _SHORTEST_NEIGHBOUR and len(pairs & _word_pairs(neighbour)) >= _SHARE * len(pairs)
        for neighbour in neighbours
    )


def _word_pairs(text: str) -> set[tuple[str, str]]:
    return set(pairwise(re.findall(r"\w+", fold(text[:4000]))))
