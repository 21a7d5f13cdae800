"""What operators are shown of single things: what happened to an article, and what is stuck."""

from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from publisher.errors import NotFound
from publisher.notify.fan_out.message import instant
from publisher.outbox.watch import Step, steps_of, stuck
from publisher.schema import ArticleRow, AttemptRow, DeliveryRow, EndpointRow

_MOST_ATTEMPTS = 100


def stuck_work(session: Session) -> list[dict[str, Any]]:
    """Return `stuck` as the contract has it: raw JSON, oldest first, at most 1,000."""
    found = stuck(session)
    subjects = {one.subject for one in found}
    articles = set(session.scalars(select(ArticleRow.id).where(ArticleRow.id.in_(subjects))))
    return [
        {
            "event_id": str(one.event_id),
            "task": one.task,
            "article_id": str(one.subject) if one.subject in articles else None,
            "failures": one.failures,
            "last_error": one.last_error,
        }
        for one in found
    ]


def history(session: Session, article_id: UUID) -> dict[str, Any]:
    """Return `trace` as the contract has it: raw JSON; deliveries among the steps, the newest 100.

    Raises:
        NotFound: when there is no such article.
    """
    article = session.get(ArticleRow, article_id)
    if article is None:
        raise NotFound(f"article {article_id}: is unknown")
    steps = sorted([*steps_of(session, article_id), *_attempts(session, article_id)], key=lambda one: one.at)
    return {
        "article": str(article_id),
        "uri": article.uri,
        "status": article.status,
        "sequence": article.sequence,
        "steps": [
            {
                "at": instant(one.at),
                "kind": one.kind,
                "name": one.name,
                "duration_ms": one.duration_ms,
                "outcome": one.outcome,
            }
            for one in steps
        ],
    }


def _attempts(session: Session, article_id: UUID) -> list[Step]:
    rows = session.execute(
        select(
            AttemptRow.at,
            AttemptRow.duration_ms,
            EndpointRow.url,
            AttemptRow.status,
            AttemptRow.error,
        )
        .join(DeliveryRow, DeliveryRow.id == AttemptRow.delivery_id)
        .join(EndpointRow, EndpointRow.id == AttemptRow.endpoint_id)
        .where(DeliveryRow.article_id == article_id)
        .order_by(AttemptRow.at.desc())
        .limit(_MOST_ATTEMPTS)
    )
    return [
        Step(at=at, kind="attempt", name=url, duration_ms=duration, outcome=str(status or error or "failed"))
        for at, duration, url, status, error in rows
    ]
