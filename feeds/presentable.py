"""An article as feeds may show it: not dated in the future, with a byline, and with nothing that harms."""

from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import urlsplit

from publisher.article import Category, Image, Person, PublicArticle, Related, Source
from publisher.text import clean, clean_line, forbidden_characters


def presentable(article: PublicArticle, *, first_visible_at: datetime, feed_author: str) -> PublicArticle:
    """Return the article with what feeds demand.

    All of it is clean since ingest; this is the last line of defence, and one character would cost a feed.

    Args:
        first_visible_at: when readers first saw the article; no date of publication is later than that.
        feed_author: stands for an article that names neither an author nor a source.
    """
    published = min(article.published.astimezone(UTC), first_visible_at.astimezone(UTC))
    updated = article.updated.astimezone(UTC)
    corrected = updated != article.published.astimezone(UTC)
    return replace(
        article,
        uri=_safe(article.uri),
        link=_safe(article.link),
        # Atom demands a title; the link says more than nothing.
        title=clean_line(article.title) or _safe(article.link),
        summary=_safe(article.summary),
        content_html=_safe(article.content_html),
        language=_safe(article.language),
        published=published,
        updated=max(published, updated) if corrected else published,
        authors=_byline(article, feed_author),
        categories=tuple(Category(term=_safe(c.term), label=_safe(c.label)) for c in article.categories),
        tags=tuple(_safe(tag) for tag in article.tags),
        places=tuple(_safe(place) for place in article.places),
        images=_images(article.images),
        source=_source(article.source),
        related=_related(article.related),
    )


def _byline(article: PublicArticle, feed_author: str) -> tuple[Person, ...]:
    """Return who is named: the authors, else the source, else the publisher (Atom demands a name)."""
    source = (Person(name=article.source.name, url=article.source.url),) if article.source else ()
    people = article.authors or source or (Person(name=feed_author),)
    return tuple(
        Person(
            name=_safe(person.name).strip() or _safe(feed_author),
            email=_safe(person.email) if person.email else None,
            url=_address(person.url),
        )
        for person in people
    )


def _images(images: tuple[Image, ...]) -> tuple[Image, ...]:
    """Return the pictures, each once."""
    found: dict[str, Image] = {}
    for image in images:
        if (url := _address(image.url)) is not None and url not in found:
            found[url] = Image(
                url=url,
                alt=_line(image.alt),
                caption=_line(image.caption),
                media_type=_line(image.media_type),
                length=image.length,
            )
    return tuple(found.values())


def _source(source: Source | None) -> Source | None:
    name = _line(source.name) if source else None
    return Source(name=name, url=_address(source.url)) if source and name else None


def _related(related: tuple[Related, ...]) -> tuple[Related, ...]:
    """Return the related articles that can be opened, each once."""
    found = {_address(one.url): clean_line(one.title) for one in reversed(related)}
    return tuple(Related(title=title, url=url) for url, title in reversed(found.items()) if url is not None)


def _address(url: str | None) -> str | None:
    """Return the address if it leads somewhere on the web."""
    safe = _safe(url) if url else ""
    try:
        parts = urlsplit(safe)
    except ValueError:
        return None
    return safe if parts.scheme in ("http", "https") and parts.netloc else None


def _line(text: str | None) -> str | None:
    return clean_line(text or "") or None


def _safe(text: str) -> str:
    """Return the text as it is, or cleaned if it holds what XML forbids."""
    return clean(text) if forbidden_characters(text) else text
