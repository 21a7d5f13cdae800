"""JSON Feed 1.1: one item, and the document without its items."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from feeds.feed import Feed, FeedFormat
from publisher.article import Image, Person, PublicArticle

VERSION = "https://jsonfeed.org/version/1.1"


def json_fragment(article: PublicArticle) -> str:
    """Return the article as one JSON object, a member of `items`."""
    # An item must have content; without a body the summary is the text that there is.
    content = (
        {"content_html": article.content_html}
        if article.content_html
        else {"content_text": article.summary or article.title}
    )
    return _dump(
        {
            "id": article.uri,
            "url": article.link,
            "external_url": _original(article),
            "title": article.title,
            "summary": article.summary,
            **content,
            "image": article.images[0].url if article.images else None,
            "date_published": _instant(article.published),
            "date_modified": _instant(article.updated),
            "authors": [_author(person) for person in article.authors],
            "tags": _tags(article),
            "language": article.language,
            "attachments": [_attachment(image) for image in article.images if image.media_type] or None,
            "_publisher": {"sequence": article.sequence},
            "_source": _source(article),
        }
    )


def json_document(feed: Feed) -> str:
    """Return the feed with an empty `items`, its last member."""
    links = feed.links(FeedFormat.JSON)
    return _dump(
        {
            "version": VERSION,
            "title": feed.title,
            "home_page_url": feed.home_url,
            "feed_url": links["self"],
            "next_url": links.get("prev-archive"),
            "description": feed.description,
            "authors": [{"name": feed.author}],
            "language": feed.language,
            "hubs": [{"type": "WebSub", "url": feed.hub}] if feed.hub else None,
            "items": [],
        }
    )


def _author(person: Person) -> dict[str, str]:
    return {"name": person.name} | ({"url": person.url} if person.url else {})


def _original(article: PublicArticle) -> str | None:
    """Return the page that the article was taken from, if it is another one; some readers open it instead."""
    url = article.source.url if article.source else None
    if url is None or url == article.link:
        return None
    # The mere address of a site is no page of the article.
    parts = urlsplit(url)
    return url if parts.path.strip("/") or parts.query else None


def _tags(article: PublicArticle) -> list[str]:
    """Return the names of categories, tags and places, each once: JSON Feed does not tell them apart."""
    categories = (category.label for category in article.categories)
    return list(dict.fromkeys([*categories, *article.tags, *article.places]))


def _attachment(image: Image) -> dict[str, Any]:
    """Return a picture whose type was told: JSON Feed demands that, and only that."""
    found = {
        "url": image.url,
        "mime_type": image.media_type,
        "title": image.alt or image.caption,
        "size_in_bytes": image.length,
    }
    return {name: value for name, value in found.items() if value is not None}


def _source(article: PublicArticle) -> dict[str, str] | None:
    """Return where the article comes from; JSON Feed has no word for it, so the member is our own."""
    source = article.source
    if source is None:
        return None
    return {"name": source.name} | ({"url": source.url} if source.url else {})


def _instant(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _dump(members: Mapping[str, Any]) -> str:
    """Return compact JSON without the members that are None or an empty text."""
    present = {name: value for name, value in members.items() if value not in (None, "")}
    return json.dumps(present, ensure_ascii=False, separators=(",", ":"))
