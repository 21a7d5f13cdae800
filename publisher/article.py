"""An article, in the words that every stage and every format shares."""

import unicodedata
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from hashlib import sha256
from uuid import UUID

from publisher.text import fold, slugify


class ArticleStatus(StrEnum):
    """How far the newest revision has come. Readers may still see the revision before it."""

    RECEIVED = "received"
    ENRICHED = "enriched"
    SCHEDULED = "scheduled"
    PUBLISHED = "published"
    RETRACTED = "retracted"


@dataclass(frozen=True, kw_only=True)
class Person:
    """Who wrote it (RFC 4287, “atomPersonConstruct”)."""

    name: str
    email: str | None = None
    url: str | None = None


@dataclass(frozen=True, kw_only=True)
class Image:
    """A picture.

    Attributes:
        url: absolute http or https.
        media_type: `image/…`, in lower case; as we were told, like the length, and never guessed.
        length: in bytes.
    """

    url: str
    alt: str | None = None
    caption: str | None = None
    media_type: str | None = None
    length: int | None = None


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where the article appeared first, as credited on the page: `nhandan.vn`."""

    name: str
    url: str | None = None


@dataclass(frozen=True, kw_only=True)
class Related:
    """Another article that the page points to."""

    title: str
    url: str | None = None
    published: datetime | None = None
    summary: str | None = None


@dataclass(frozen=True, kw_only=True)
class Category:
    """A category: `term` is the folded slug (`xa-hoi`), `label` what people read (`Xã hội`)."""

    term: str
    label: str


@dataclass(frozen=True, kw_only=True)
class PublicArticle:
    """One revision of an article as readers, feeds and webhooks see it: clean, absolute, complete.

    Attributes:
        uri: the permanent id, `tag:…:article/<uuid>`.
        sequence: of this revision; 1 or more.
        link: opens something: `url`, else our own page.
        title: plain text, neither escaped nor marked up.
        content_html: sanitised, every URL absolute.
        published: never moves.
        updated: moves only when the content really changed.
    """

    id: UUID
    uri: str
    sequence: int
    link: str
    title: str
    slug: str
    summary: str
    content_html: str
    content_text: str
    language: str
    published: datetime
    updated: datetime
    url: str | None = None
    authors: tuple[Person, ...] = ()
    categories: tuple[Category, ...] = ()
    tags: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    images: tuple[Image, ...] = ()
    source: Source | None = None
    related: tuple[Related, ...] = field(default=())
    word_count: int = 0
    reading_minutes: int = 0


def category_of(name: str) -> Category:
    """Return a category by its name."""
    return Category(term=slug_of(name), label=name)


@lru_cache(maxsize=16_384)
def slug_of(name: str) -> str:
    """Return what a name is found under: `Xã hội` under `xa-hoi`.

    Where a slug cannot show all that tells a name from others (`北京 2022`, `C++`, `😀`, `???`), it ends in a
    digest of the name.
    """
    slug, folded = slugify(name, fallback=""), fold(name)
    if slug and not any(map(_tells, folded)):
        return slug
    return f"{slug or 'c'}-{sha256(folded.encode()).hexdigest()[:8]}"


def _tells(character: str) -> bool:
    """Return whether a character that no slug has tells names apart: letters, digits, emoji, C++ and C#."""
    if character.isascii():
        return character in "+#"
    return character.isalnum() or unicodedata.category(character) == "So"
