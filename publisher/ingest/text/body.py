"""The body of a scraped page: which of its lines are paragraphs, subheads and captions, and their HTML."""

import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from publisher.ingest.text.captions import is_caption
from publisher.ingest.text.lines import ends_sentence
from publisher.ingest.text.words import CONTACT, CREDIT
from publisher.text import clean, fold


class BlockKind(StrEnum):
    """What a line of the body is for. In doubt it is a paragraph: that loses nothing."""

    PARAGRAPH = "p"
    SUBHEAD = "h2"
    CAPTION = "figcaption"


@dataclass(frozen=True, kw_only=True)
class Block:
    """A line of the body; the text is plain."""

    kind: BlockKind
    text: str


_OFFICIAL_END = re.compile(r"\.?(?P<quote>[\"”’»)\]]*)\.? ?/ ?\.$")
_ITEM = re.compile(r"(?:[-–—+•*·▪]|[a-zđ]\)).*", re.IGNORECASE)
_NUMBERED = re.compile(r"(?:[0-9]{1,2}(?:\.[0-9]{1,2})*|[IVX]{1,5})[.)] ")
_SPEECH = re.compile(
    r"(?:(?:hỏi|đáp|trả lời|pv|mc|phóng viên)\b[^:]{0,40}:|thưa |xin |[\"“”‘']).*", re.IGNORECASE
)
_LONGEST_SUBHEAD = 110
_LONGEST_QUESTION = 90
_MOST_WORDS_OF_ITEM = 10


def read_blocks(texts: Sequence[str]) -> list[Block]:
    """Return the blocks of a body, in order; the closing `./.` of an official text becomes a full stop."""
    kinds = [_kind(texts, position) for position in range(len(texts))]
    return [Block(kind=kind, text=without_end_mark(text)) for kind, text in zip(kinds, texts, strict=True)]


def render(blocks: Iterable[Block]) -> str:
    """Return the blocks as HTML, escaped."""
    # Cleaned once more: a block may begin with a mark that would melt into the tag before it.
    return clean("\n".join(_element(block) for block in blocks))


def without_end_mark(text: str) -> str:
    """Return the text with a plain full stop for the `./.` that closes an official text."""
    return _OFFICIAL_END.sub(lambda found: f".{found['quote']}", text)


def _element(block: Block) -> str:
    element = f"<{block.kind}>{html.escape(block.text, quote=False)}</{block.kind}>"
    return f"<figure>{element}</figure>" if block.kind is BlockKind.CAPTION else element


def _kind(texts: Sequence[str], position: int) -> BlockKind:
    text = texts[position]
    neighbours = [*texts[max(0, position - 1) : position], *texts[position + 1 : position + 2]]
    if is_caption(text, neighbours):
        return BlockKind.CAPTION
    if _may_head(text) and _is_followed_by_paragraph(texts, position) and not _is_item(texts, position):
        return BlockKind.SUBHEAD
    return BlockKind.PARAGRAPH


def _may_head(text: str) -> bool:
    if len(text) > _LONGEST_SUBHEAD or ends_sentence(text) or text.endswith((":", ";", ",")):
        return False
    if text.endswith("?") and (len(text) > _LONGEST_QUESTION or re.search(r"[.!?…] ", text)):
        return False
    if CREDIT.fullmatch(text) or CONTACT.fullmatch(fold(text)):
        return False
    return not (_ITEM.fullmatch(text) or _SPEECH.fullmatch(text) or text[0].islower())


def _is_followed_by_paragraph(texts: Sequence[str], position: int) -> bool:
    """Return whether running text follows, at once or under one more (numbered) subhead."""
    for text in texts[position + 1 : position + 3]:
        if ends_sentence(text) or text.endswith(":"):
            return len(text) > len(texts[position])
        if not _NUMBERED.match(text):
            return False
    return False


def _is_item(texts: Sequence[str], position: int) -> bool:
    """Return whether the line before is as short and as open: then both are items, unless numbered."""
    if position == 0 or _NUMBERED.match(texts[position]):
        return False
    before = texts[position - 1]
    return (
        _may_head(before)
        and len(before.split()) <= _MOST_WORDS_OF_ITEM
        and not is_caption(before, texts[max(0, position - 2) : position - 1])
    )
