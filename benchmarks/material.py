"""Articles to measure with: as long as a portal's, made of the paragraphs of examples/."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from publisher.ingest.article_in import parse_article
from publisher.ingest.submission import Submission
from publisher.ingest.text.page import parse_text

LENGTH_BYTES = 8_000
"""Of a body, at least: that of a Vietnamese portal's article, in UTF-8."""

_EXAMPLES = Path(__file__).parents[1] / "examples"
_ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
_CATEGORIES = ("Xã hội", "Giao thông", "Môi trường", "Giáo dục")


def article(number: int) -> dict[str, Any]:
    """Return the n-th article as clients send it; no two have the same address or the same body."""
    pieces = _paragraphs()
    body = f"<p>Bản tin số {number}.</p>"
    position = number
    while len(body.encode()) < LENGTH_BYTES:
        body += pieces[position % len(pieces)]
        position += 1
    return {
        "url": f"https://news.example/ban-tin/{number}",
        "title": f"Tuyến xe buýt ven sông và lớp học số: bản tin số {number}",
        "content_html": body,
        "categories": [_CATEGORIES[number % len(_CATEGORIES)]],
        "tags": ["giao thông", "đời sống"],
        "source": {"name": "news.example"},
    }


def article_json(number: int) -> bytes:
    """Return the n-th article as one line of JSON, without a line end."""
    return json.dumps(article(number), ensure_ascii=False).encode()


def submission(number: int) -> Submission:
    """Return the n-th article, parsed and cleaned."""
    return parse_article(article(number))


@cache
def _paragraphs() -> list[str]:
    pages = [parse_text(page.read_text("utf-8"), local=_ZONE) for page in sorted(_EXAMPLES.glob("*.txt"))]
    return re.findall(
        r"<(?:p|h2)>.*?</(?:p|h2)>", "".join(page.content_html or "" for page in pages), re.DOTALL
    )
