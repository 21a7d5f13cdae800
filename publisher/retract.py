"""Take an article down: gone for readers with the commit, even while every queue is full."""

from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from publisher.article import ArticleStatus
from publisher.errors import NotFound
from publisher.events import EventType
from publisher.feed_state import mark_changed
from publisher.outbox.emit import emit
from publisher.schema import (
    ArticleLabelRow,
    ArticleRow,
    EntryRow,
    MessageRow,
    TombstoneRow,
)


def retract(
    session: Session, article_id: UUID, *, reason: str | None, traceparent: str | None = None
) -> bool:
    """Retract an article and return True; once more changes nothing, and is False.

    The transaction itself removes it from what feeds are made of, leaves a tombstone in each, tells who
    serves them, and scrubs its messages; then the event cancels their deliveries and tells those who were
    sent anything of it.

    Raises:
        NotFound: when there is no such article.
    """
    article = session.scalar(select(ArticleRow).where(ArticleRow.id == article_id).with_for_update())
    if article is None:
        raise NotFound(f"article {article_id}: does not exist")
    if article.status == ArticleStatus.RETRACTED:
        return False
    at = session.scalar(select(func.now()))
    assert at is not None
    article.status = ArticleStatus.RETRACTED
    article.sequence += 1
    article.public_revision = None
    article.retracted_at = at
    article.retraction_reason = reason
    session.flush()
    labels = _leave_feeds(session, article)
    session.execute(update(MessageRow).where(MessageRow.article_id == article_id).values(body=None))
    data = {
        "sequence": article.sequence,
        "reason": reason,
        "retracted_at": at.isoformat(),
        "labels": [str(label) for label in labels],
    }
    emit(session, EventType.ARTICLE_RETRACTED, article_id, data, traceparent=traceparent)
    return True


def _leave_feeds(session: Session, article: ArticleRow) -> list[UUID]:
    of_article = ArticleLabelRow.article_id == article.id
    labels = sorted(
        session.scalars(delete(ArticleLabelRow).where(of_article).returning(ArticleLabelRow.label_id))
    )
    session.execute(delete(EntryRow).where(EntryRow.article_id == article.id))
    if not labels:
        return []
    mark_changed(session, labels, at_once=True)
    tombstones = [
        {
            "label_id": label,
            "article_id": article.id,
            "uri": article.uri,
            "retracted_at": article.retracted_at,
        }
        for label in labels
    ]
    session.execute(insert(TombstoneRow).on_conflict_do_nothing(), tombstones)
    return labels
