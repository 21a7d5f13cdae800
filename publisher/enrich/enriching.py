"""Stage 2: from an accepted revision to what it is about."""

from publisher.enrich.enrichment import EnrichInput, Enrichment
from publisher.enrich.language import language_of
from publisher.enrich.length import reading_minutes, word_count
from publisher.enrich.summary import summary_of
from publisher.paragraphs import html_of, joined, paragraphs_of
from publisher.text import slugify


def enrich(text: EnrichInput) -> Enrichment:
    """Return what the revision is about; what its sender says wins over what we find.

    A pure function of linear cost: the same revision always gives the same enrichment.
    """
    content_html = text.content_html if text.content_html is not None else html_of(text.content_text or "")
    paragraphs = paragraphs_of(content_html)
    content_text = text.content_text if text.content_text is not None else joined(paragraphs)
    words = word_count(content_text)
    return Enrichment(
        language=text.language or language_of(f"{text.title}\n{content_text[:2_000]}"),
        summary=text.summary or summary_of(paragraphs),
        slug=slugify(text.title, fallback=str(text.article_id)),
        word_count=words,
        reading_minutes=reading_minutes(words),
        content_html=content_html,
        content_text=content_text,
    )
