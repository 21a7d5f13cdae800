"""One article version as it stands in feeds: a fragment a format, rendered once and stored."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

from feeds.feed import FeedFormat
from feeds.feedgen_fixes import atom_fragment, rss_fragment
from feeds.json_feed import json_fragment
from publisher.article import Category, Image, Person, PublicArticle
from publisher.text import clean, clean_line, forbidden_characters

# Half of what a document may hold, so that one huge article never pushes all others out.
FRAGMENT_BYTES = 2_500_000


@dataclass(frozen=True, kw_only=True)
class Entry:
    """An article version in every format, ready to be put into the documents of its feeds.

    Attributes:
        updated: what the fragments say; the newest of a feed's entries is the feed's own.
    """

    atom: str
    rss: str
    json: str
    updated: datetime

    def fragment(self, feed_format: FeedFormat) -> str:
        """Return the fragment for one format."""
        return {FeedFormat.ATOM: self.atom, FeedFormat.RSS: self.rss, FeedFormat.JSON: self.json}[feed_format]


def render_entry(
    article: PublicArticle, *, first_visible_at: datetime, base_url: str, feed_author: str
) -> Entry:
    """Return the article's fragments; the same arguments give the same bytes, for ever.

    A fragment of more than FRAGMENT_BYTES goes without the content; summary and link stay.

    Args:
        first_visible_at: when readers first saw the article; no date of publication is later than that.
        base_url: of our own pages; the scheme of categories is `<base_url>/feeds/category/`.
        feed_author: stands for an article that names neither an author nor a source.
    """
    shown = _presentable(article, first_visible_at=first_visible_at, feed_author=feed_author)
    scheme = f"{base_url.rstrip('/')}/feeds/category/"
    return Entry(
        atom=_bounded(partial(atom_fragment, category_scheme=scheme), shown),
        rss=_bounded(partial(rss_fragment, category_scheme=scheme), shown),
        json=_bounded(json_fragment, shown),
        updated=shown.updated,
    )


def _bounded(render: Callable[[PublicArticle], str], article: PublicArticle) -> str:
    fragment = render(article)
    if len(fragment.encode()) <= FRAGMENT_BYTES:
        return fragment
    return render(replace(article, content_html=""))


def _presentable(article: PublicArticle, *, first_visible_at: datetime, feed_author: str) -> PublicArticle:
    """Return the article with what feeds demand: no future date, a byline, no character that breaks XML."""
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
        images=tuple(Image(url=_safe(image.url)) for image in article.images),
    )


def _byline(article: PublicArticle, feed_author: str) -> tuple[Person, ...]:
    """Return who is named: the authors, else the source, else the publisher (Atom demands a name)."""
    source = (Person(name=article.source.name, url=article.source.url),) if article.source else ()
    people = article.authors or source or (Person(name=feed_author),)
    return tuple(
        Person(
            name=_safe(person.name).strip() or _safe(feed_author),
            email=_safe(person.email) if person.email else None,
            url=_safe(person.url) if person.url else None,
        )
        for person in people
    )


def _safe(text: str) -> str:
    """Return the text as it is, or cleaned if it holds what XML forbids.

    Text is clean since ingest; this is the last line of defence, and one character would cost a feed.
    """
    return clean(text) if forbidden_characters(text) else text
