"""Which articles sitemaps list, read from the record: those that have a place in the feed of everything.

A sitemap covers a block of places, so an old one never changes but for corrections and takedowns.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import FromClause, Select, func, select, true
from sqlalchemy.orm import Session

from feeds.catalog import FeedAddress
from feeds.feed import FeedFormat
from feeds.sitemaps import MOST_SITEMAPS, NEWS_AGE, NEWS_LENGTH, SITEMAP_LENGTH, ListedArticle, News
from feeds.standing import find_standing
from publisher.labels import LabelKind
from publisher.schema import ArticleLabelRow, ArticleRow, RevisionRow

# What comes in late has an old date and stands among the news, so more places than that are looked at.
_NEWEST_PLACES = 5 * NEWS_LENGTH
_TITLE_LENGTH = 500
_EVERYTHING = FeedAddress(kind=LabelKind.ALL, slug="all", format=FeedFormat.ATOM)

# As readers see it: never later than when they first could, and a correction is later than that.
_PUBLISHED = func.least(ArticleRow.published, ArticleRow.first_visible_at)
_UPDATED = func.greatest(ArticleRow.updated, _PUBLISHED)


def read_numbers(session: Session) -> Sequence[int]:
    """Return the numbers of the sitemaps of articles that list any."""
    standing = find_standing(session, _EVERYTHING)
    if standing is None:
        return []
    numbers = select(func.generate_series(1, _last_number(standing.last_position)).label("number")).cte()
    # One look into the index article_label_position a sitemap.
    first = _by_key(
        select(ArticleLabelRow.position).where(
            ArticleLabelRow.label_id == standing.label_id,
            ArticleLabelRow.position > (numbers.c.number - 1) * SITEMAP_LENGTH,
            ArticleLabelRow.position <= numbers.c.number * SITEMAP_LENGTH,
        )
    )
    return session.scalars(
        select(numbers.c.number).join(first, true()).order_by(numbers.c.number).limit(MOST_SITEMAPS)
    ).all()


def read_block(session: Session, number: int) -> Sequence[ListedArticle] | None:
    """Return the articles of one sitemap, in the order of their places; None if there is no such sitemap.

    Args:
        number: 1 or more.
    """
    standing = find_standing(session, _EVERYTHING)
    if standing is None or number > _last_number(standing.last_position):
        return None
    # A range of the index article_label_position, and then each article by its key.
    block = (
        select(ArticleLabelRow.article_id, ArticleLabelRow.position)
        .where(
            ArticleLabelRow.label_id == standing.label_id,
            ArticleLabelRow.position.between((number - 1) * SITEMAP_LENGTH + 1, number * SITEMAP_LENGTH),
        )
        .cte()
    )
    article = _by_key(
        select(ArticleRow.id, _UPDATED.label("updated")).where(
            ArticleRow.id == block.c.article_id, ArticleRow.public_revision.is_not(None)
        )
    )
    rows = session.execute(
        select(article.c.id, article.c.updated)
        .select_from(block)
        .join(article, true())
        .order_by(block.c.position)
    )
    return [ListedArticle(**row._asdict()) for row in rows]


def read_news(session: Session, *, at: datetime) -> Sequence[News]:
    """Return the news at an instant, newest first: what was published in the two days before."""
    standing = find_standing(session, _EVERYTHING)
    if standing is None:
        return []
    # The end of the index article_label_position, and then each article and its revision by their keys.
    newest = (
        select(ArticleLabelRow.article_id, ArticleLabelRow.position)
        .where(
            ArticleLabelRow.label_id == standing.label_id,
            ArticleLabelRow.position > standing.last_position - _NEWEST_PLACES,
        )
        .cte()
    )
    article = _by_key(
        select(
            ArticleRow.id,
            func.left(RevisionRow.title, _TITLE_LENGTH).label("title"),
            func.coalesce(RevisionRow.language, "und").label("language"),
            _PUBLISHED.label("published"),
        )
        .join(
            RevisionRow,
            (RevisionRow.article_id == ArticleRow.id) & (RevisionRow.sequence == ArticleRow.public_revision),
        )
        .where(ArticleRow.id == newest.c.article_id, _PUBLISHED.between(at - NEWS_AGE, at))
    )
    rows = session.execute(
        select(article)
        .select_from(newest)
        .join(article, true())
        .order_by(newest.c.position.desc())
        .limit(NEWS_LENGTH)
    )
    return [News(**row._asdict()) for row in rows]


def _by_key(one: Select[Any]) -> FromClause:
    """Return a query of one row, to be joined for each row before it.

    With LIMIT, PostgreSQL looks into the index each time; else it walks the whole table where that is
    cheaper for itself, and pushes out of its cache what everybody needs.
    """
    return one.limit(1).lateral()


def _last_number(last_position: int) -> int:
    return -(-last_position // SITEMAP_LENGTH)
