"""What operators are shown: how much waits at each stage, and what happened to one article."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from publisher.errors import NotFound
from publisher.notify.message import instant
from publisher.notify.outcome import DeliveryState
from publisher.outbox.watch import Backlog, Step, backlogs, steps_of, stuck
from publisher.schema import ArticleRow, AttemptRow, DeliveryRow, EndpointRow, SenderRow

_TASKS = {"enrich": ["enrich"], "publish": ["publish"], "feeds": ["feeds", "rebuild"], "fan_out": ["fan_out"]}
_DELIVERY_STATES = (DeliveryState.PENDING, DeliveryState.HELD, DeliveryState.FAILED)
_ALIVE = timedelta(seconds=5)
_MOST_ATTEMPTS = 100
_NOTHING = Backlog(waiting=0, in_flight=0, oldest_age_s=None, stuck=0)


def overview(session: Session) -> dict[str, Any]:
    """Return `status` as the contract has it: raw JSON."""
    at = session.scalar(select(func.now()))
    assert at is not None
    stages = {stage: _stage(found) for stage, found in _by_stage(backlogs(session)).items()}
    counted = session.execute(
        select(DeliveryRow.state, func.count())
        .where(DeliveryRow.state.in_(_DELIVERY_STATES))
        .group_by(DeliveryRow.state)
    )
    found = {row.state: row[1] for row in counted}
    return {
        "at": instant(at),
        "stages": {**stages, "deliver": _delivering(session)},
        "deliveries": {state.value: found.get(state, 0) for state in _DELIVERY_STATES},
    }


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


def _by_stage(found: Mapping[str, Backlog]) -> dict[str, list[Backlog]]:
    named = {task for tasks in _TASKS.values() for task in tasks}
    others = {task: [task] for task in found if task not in named}
    return {
        stage: [found.get(task, _NOTHING) for task in tasks] for stage, tasks in {**_TASKS, **others}.items()
    }


def _stage(backlogs: list[Backlog]) -> dict[str, Any]:
    return {
        "waiting": sum(one.waiting for one in backlogs),
        "in_flight": sum(one.in_flight for one in backlogs),
        "oldest_age_s": max(one.oldest_age_s or 0 for one in backlogs),
        "stuck": sum(one.stuck for one in backlogs),
    }


def _delivering(session: Session) -> dict[str, Any]:
    due = select(func.count(), func.min(DeliveryRow.next_attempt_at)).where(
        DeliveryRow.state == DeliveryState.PENDING, DeliveryRow.next_attempt_at <= func.now()
    )
    waiting, oldest = session.execute(due).one()
    in_flight = session.scalar(
        select(func.coalesce(func.sum(SenderRow.in_flight), 0)).where(SenderRow.beat_at > func.now() - _ALIVE)
    )
    now = session.scalar(select(func.now()))
    assert now is not None
    age = round((now - oldest).total_seconds(), 3) if oldest else 0
    # A delivery is never stuck: it is tried again, or has failed, which `deliveries` counts.
    return {"waiting": waiting, "in_flight": int(in_flight or 0), "oldest_age_s": age, "stuck": 0}


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
