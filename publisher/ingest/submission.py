"""What every way in ends in: one clean Submission, ready for the record."""

from dataclasses import dataclass
from datetime import datetime

from publisher.article import Image, Person, Related, Source


@dataclass(frozen=True, kw_only=True)
class Submission:
    """An article as it came in, parsed, checked and cleaned.

    Text is NFC without characters that XML forbids; titles are plain text; HTML is sanitised.
    Exactly one of `content_html` and `content_text` is set.

    Attributes:
        url: the article's own address, absolute http or https; an identity.
        guid: the sender's own name for it, or one derived from title, date and source; an identity.
        published: aware; None when the sender does not say.
        visible_from: aware; not before this instant may a reader see it.
        notify: False publishes without a webhook.
        restore: True brings a retracted article back.
        warnings: what was removed on the way in, a sentence each.
        traceparent: W3C trace context of the request that brought it.
    """

    title: str
    url: str | None = None
    guid: str | None = None
    content_html: str | None = None
    content_text: str | None = None
    summary: str | None = None
    language: str | None = None
    authors: tuple[Person, ...] = ()
    categories: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    images: tuple[Image, ...] = ()
    source: Source | None = None
    related: tuple[Related, ...] = ()
    published: datetime | None = None
    visible_from: datetime | None = None
    notify: bool = True
    restore: bool = False
    warnings: tuple[str, ...] = ()
    traceparent: str | None = None
