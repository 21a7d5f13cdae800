"""A plain text as an article: its first line is the title, the rest the body."""

import re

from publisher.errors import InvalidInput
from publisher.ingest.submission import Submission
from publisher.ingest.text.body import Block, BlockKind, read_blocks, render
from publisher.ingest.text.lines import ends_sentence
from publisher.text import clean_line, forbidden_characters

_LONGEST_TITLE = 300
# A line this long that ends within a sentence was broken at the margin of a page or a mail.
_MARGIN = range(50, 101)


def parse_plain_text(text: str) -> Submission:
    """Return the text as an article; a text of one line is its own title.

    Paragraphs are parted by empty lines, or are lines if there are none.

    Raises:
        InvalidInput: there is nothing to read.
    """
    paragraphs = _paragraphs(text)
    if not paragraphs:
        raise InvalidInput.of(
            "/content_text", "expected a text with a title in its first line, found nothing"
        )
    title, body = paragraphs[0], paragraphs[1:]
    if len(title) > _LONGEST_TITLE or not body:
        title, body = _shortened(title), paragraphs
    blocks = read_blocks(body) if len(body) > 1 else [Block(kind=BlockKind.PARAGRAPH, text=body[0])]
    removed = forbidden_characters(text.replace("\f", "\n").replace("\v", "\n"))
    return Submission(
        title=title,
        content_html=render(blocks),
        warnings=(f"content_text: removed control character ({removed})",) if removed else (),
    )


def _paragraphs(text: str) -> list[str]:
    """Return the paragraphs; the first line stands alone, for it is the title."""
    paragraphs: list[list[str]] = []
    broken = False
    for raw in text.splitlines():
        line = clean_line(raw)
        if line and broken and len(paragraphs) > 1:
            paragraphs[-1].append(line)
        elif line:
            paragraphs.append([line])
        broken = len(line) in _MARGIN and not ends_sentence(line) and not line.endswith(":")
    return [" ".join(pieces) for pieces in paragraphs]


def _shortened(title: str) -> str:
    """Return the first sentence, or as many whole words as a title may have."""
    sentence = re.match(r".{10,300}?[.!?…](?= |$)", title)
    if sentence:
        return sentence[0]
    return (
        title
        if len(title) <= _LONGEST_TITLE
        else title[:_LONGEST_TITLE].rpartition(" ")[0] or title[:_LONGEST_TITLE]
    )
