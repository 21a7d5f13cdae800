"""Articles as the API shows them: the newest revision, with how far it has come."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Row, Select, exists, select, tuple_
from sqlalchemy.orm import Session

from publisher.archive import published_of
from publisher.article import ArticleStatus, Category, Image, Person, Related, Source, category_of
from publisher.details import Details
from publisher.schema import ArticleRow, EventTaskRow, RevisionRow

Loaded = Row[ArticleRow, RevisionRow, bool]


class ArticleOut(BaseModel):
    """An article. What enrichment finds out is null until then."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    uri: str = Field(description="The permanent id, the same in every feed and webhook: `tag:…`.")
    sequence: int = Field(description="One more for each revision, retraction and restoration.")
    status: ArticleStatus
    stuck: bool = Field(description="Whether a step has failed for good and waits for an operator.")
    url: str | None
    guid: str | None
    link: str = Field(description="Opens something: `url`, else our own page.")
    slug: str | None
    title: str
    summary: str | None
    content_html: str | None
    content_text: str | None
    authors: tuple[Person, ...]
    categories: tuple[Category, ...]
    tags: tuple[str, ...]
    places: tuple[str, ...]
    language: str | None
    images: tuple[Image, ...]
    source: Source | None
    related: tuple[Related, ...]
    word_count: int | None
    reading_minutes: int | None
    published: datetime
    updated: datetime
    visible_from: datetime | None
    received_at: datetime


class AcceptedArticle(ArticleOut):
    """An article that was sent in, and what became of it."""

    outcome: str = Field(description="`created`, `unchanged`, `revised` or `restored`.")
    warnings: tuple[str, ...] = Field(description="What was removed on the way in, a sentence each.")


class ArticleList(BaseModel):
    """A page of a list, the newest first."""

    data: list[ArticleOut]
    has_more: bool
    next_cursor: str | None = Field(description="Give it as `cursor` to go on.")


def select_articles() -> Select[ArticleRow, RevisionRow, bool]:
    """Return the query of articles with their newest revisions, and whether they are stuck."""
    return _select_revisions().where(RevisionRow.sequence == ArticleRow.revision)


def load_articles(session: Session, ids: Collection[UUID]) -> dict[UUID, Loaded]:
    """Return those of the articles that exist."""
    rows: Sequence[Loaded] = session.execute(select_articles().where(ArticleRow.id.in_(ids))).all()
    return {row[0].id: row for row in rows}


def load_revisions(session: Session, wanted: Collection[tuple[UUID, int]]) -> dict[tuple[UUID, int], Loaded]:
    """Return revisions by article and sequence: who sent one in sees it, whatever came in right after it."""
    chosen = tuple_(RevisionRow.article_id, RevisionRow.sequence).in_(wanted)
    rows: Sequence[Loaded] = session.execute(_select_revisions().where(chosen)).all()
    return {(row[1].article_id, row[1].sequence): row for row in rows}


def show_article(loaded: Loaded, base_url: str) -> ArticleOut:
    """Return an article as clients see it."""
    return ArticleOut(**_members(loaded, base_url))


def show_accepted(
    loaded: Loaded, base_url: str, *, outcome: str, warnings: tuple[str, ...]
) -> AcceptedArticle:
    """Return an article as whoever has just sent it in sees it."""
    members = _members(loaded, base_url) | {"sequence": loaded[1].sequence}
    return AcceptedArticle(**members, outcome=outcome, warnings=warnings)


def _select_revisions() -> Select[ArticleRow, RevisionRow, bool]:
    stuck = exists().where(EventTaskRow.subject == ArticleRow.id, EventTaskRow.stuck)
    return select(ArticleRow, RevisionRow, stuck).join(RevisionRow, RevisionRow.article_id == ArticleRow.id)


def _members(loaded: Loaded, base_url: str) -> dict[str, Any]:
    article, revision, stuck = loaded
    details = Details.from_json(revision.details)
    published = published_of(article)
    return {
        "id": article.id,
        "uri": article.uri,
        "sequence": article.sequence,
        "status": article.status,
        "stuck": stuck,
        "url": revision.url,
        "guid": revision.guid,
        "link": revision.url or f"{base_url}/articles/{article.id}",
        "slug": revision.slug,
        "title": revision.title,
        "summary": revision.summary,
        "content_html": revision.content_html,
        "content_text": revision.content_text,
        "authors": details.authors,
        "categories": tuple(category_of(name) for name in details.categories),
        "tags": details.tags,
        "places": details.places,
        "language": revision.language,
        "images": details.images,
        "source": details.source,
        "related": details.related,
        "word_count": revision.word_count,
        "reading_minutes": revision.reading_minutes,
        "published": published,
        "updated": max(article.updated, published),
        "visible_from": revision.visible_from,
        "received_at": article.received_at,
    }
