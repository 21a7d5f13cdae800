"""Load articles as readers see them: the public revision, or one that a stage is working on."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from publisher.article import PublicArticle, category_of
from publisher.details import Details
from publisher.schema import ArticleRow, RevisionRow


@dataclass(frozen=True, kw_only=True)
class Archive:
    """Where articles are read from; it knows the address that links begin with."""

    base_url: str

    def public(self, session: Session, ids: Collection[UUID]) -> dict[UUID, PublicArticle]:
        """Return those of the articles that readers may see now."""
        rows = session.execute(
            select(ArticleRow, RevisionRow)
            .join(
                RevisionRow,
                and_(
                    RevisionRow.article_id == ArticleRow.id,
                    RevisionRow.sequence == ArticleRow.public_revision,
                ),
            )
            .where(ArticleRow.id.in_(ids))
        ).all()
        return {article.id: self.article_of(article, revision) for article, revision in rows}

    def article_of(self, article: ArticleRow, revision: RevisionRow) -> PublicArticle:
        """Return an enriched revision as readers see it."""
        details = Details.from_json(revision.details)
        return PublicArticle(
            id=article.id,
            uri=article.uri,
            sequence=revision.sequence,
            link=revision.url or f"{self.base_url}/articles/{article.id}",
            title=revision.title,
            slug=revision.slug or str(article.id),
            summary=revision.summary or "",
            content_html=revision.content_html or "",
            content_text=revision.content_text or "",
            language=revision.language or "und",
            published=published_of(article),
            updated=_updated_of(article, revision),
            url=revision.url,
            authors=details.authors,
            categories=tuple(category_of(term) for term in details.categories),
            tags=details.tags,
            places=details.places,
            images=details.images,
            source=details.source,
            related=details.related,
            word_count=revision.word_count or 0,
            reading_minutes=revision.reading_minutes or 0,
        )


def published_of(article: ArticleRow) -> datetime:
    """Return when the article was published, never later than when readers first saw it."""
    if article.first_visible_at is None:
        return article.published
    return min(article.published, article.first_visible_at)


def _updated_of(article: ArticleRow, revision: RevisionRow) -> datetime:
    """Return when the content became what this revision says."""
    published = published_of(article)
    if revision.sequence == article.public_revision:
        return max(article.updated, published)
    return published if revision.sequence == 1 else max(revision.received_at, published)
