"""What enrichment starts from and what it finds."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, kw_only=True)
class EnrichInput:
    """One revision as it was accepted: clean text, sanitised HTML.

    Exactly one of `content_html` and `content_text` is set.
    """

    article_id: UUID
    title: str
    url: str | None = None
    summary: str | None = None
    language: str | None = None
    content_html: str | None = None
    content_text: str | None = None


@dataclass(frozen=True, kw_only=True)
class Enrichment:
    """What the article is about.

    Attributes:
        language: a BCP 47 tag; `und` when it cannot be told.
        summary: plain text on one line; at most 500 characters unless the sender wrote it; empty for
            an article without text.
        slug: for addresses; at most 80 of a–z, 0–9 and hyphens.
        word_count: syllables in Vietnamese, 0 or more.
        reading_minutes: 1 or more.
        content_html, content_text: both, whichever came in.
    """

    language: str
    summary: str
    slug: str
    word_count: int
    reading_minutes: int
    content_html: str
    content_text: str
