"""Stage 3: embargo and correction; what is public, and under which labels."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import and_, case, func, select, update
from sqlalchemy.orm import Session

from publisher.article import ArticleStatus
from publisher.details import Details
from publisher.events import Event, EventType
from publisher.labels import Labelled, labels_of, put_labels
from publisher.outbox.emit import emit_all
from publisher.outbox.obligation import Done, Fate, Obligation, Postponed
from publisher.schema import ArticleRow, RevisionRow
from publisher.schema.row import table


class Verdict(StrEnum):
    """What publishing a revision means for its readers."""

    SUPERSEDED = "superseded"
    SCHEDULED = "scheduled"
    PUBLISHED = "published"
    CORRECTED = "corrected"


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A revision that may become public, with what is stored about its article.

    Attributes:
        newest: sequence of the article; a higher one means that this revision was overtaken.
        first_visible_at: None: readers have never seen the article.
        accepted_at: since when it could have been public: received, and its embargo over.
        traceparent: of the request that brought it.
    """

    article_id: UUID
    sequence: int
    newest: int
    retracted: bool
    public: bool
    visible_from: datetime | None
    first_visible_at: datetime | None
    notify: bool
    details: Details
    accepted_at: datetime
    traceparent: str | None = None


def judge(candidate: Candidate, *, at: datetime) -> Verdict:
    """Return what becomes of a revision whose time to be published may have come."""
    if candidate.retracted or candidate.sequence != candidate.newest:
        return Verdict.SUPERSEDED
    if candidate.visible_from is not None and candidate.visible_from > at:
        return Verdict.SCHEDULED
    return Verdict.CORRECTED if candidate.public else Verdict.PUBLISHED


def store_publications(
    session: Session, obligations: Mapping[Obligation, Obligation]
) -> dict[Obligation, Fate]:
    """Make public what may be seen by now; an embargo comes due again when it ends."""
    at = session.scalar(select(func.now()))
    assert at is not None
    candidates = _candidates(session, obligations)
    verdicts = {
        one: judge(candidates[one], at=at) if one in candidates else Verdict.SUPERSEDED for one in obligations
    }
    chosen = {
        verdict: [candidates[one] for one in obligations if verdicts[one] is verdict]
        for verdict in (Verdict.SCHEDULED, Verdict.PUBLISHED, Verdict.CORRECTED)
    }
    _set(session, chosen[Verdict.SCHEDULED], {"status": ArticleStatus.SCHEDULED})
    _set(session, [*chosen[Verdict.PUBLISHED], *chosen[Verdict.CORRECTED]], _PUBLIC)
    _announce(session, chosen, at)
    return {
        one: Postponed(at=candidates[one].visible_from)
        if verdict is Verdict.SCHEDULED
        else Done(outcome=verdict, accepted_at=candidates[one].accepted_at if verdict in _EVENTS else None)
        for one, verdict in verdicts.items()
    }


_PUBLIC: Mapping[str, Any] = {
    "status": ArticleStatus.PUBLISHED,
    "public_revision": ArticleRow.revision,
    "first_visible_at": func.coalesce(ArticleRow.first_visible_at, func.now()),
    # A correction and a restoration are later than everything that readers have seen of the article.
    "updated": case(
        (ArticleRow.first_visible_at.is_(None), func.least(ArticleRow.published, func.now())),
        else_=func.now(),
    ),
}
_EVENTS = {
    Verdict.PUBLISHED: EventType.ARTICLE_PUBLISHED,
    Verdict.CORRECTED: EventType.ARTICLE_CORRECTED,
}


def _candidates(session: Session, obligations: Collection[Obligation]) -> dict[Obligation, Candidate]:
    rows = session.execute(
        select(
            ArticleRow.id,
            ArticleRow.status,
            ArticleRow.sequence,
            ArticleRow.public_revision,
            ArticleRow.first_visible_at,
            RevisionRow.visible_from,
            RevisionRow.received_at,
            RevisionRow.notify,
            RevisionRow.details,
        )
        .join(
            RevisionRow,
            and_(RevisionRow.article_id == ArticleRow.id, RevisionRow.sequence == ArticleRow.revision),
        )
        .where(ArticleRow.id.in_({one.subject for one in obligations}))
        .order_by(ArticleRow.id)
        .with_for_update(of=ArticleRow)
    ).all()
    by_id = {row.id: row for row in rows}
    found = [(one, by_id[one.subject]) for one in obligations if one.subject in by_id]
    return {
        one: Candidate(
            article_id=row.id,
            sequence=one.data["sequence"],
            newest=row.sequence,
            retracted=row.status == ArticleStatus.RETRACTED,
            public=row.public_revision is not None,
            visible_from=row.visible_from,
            first_visible_at=row.first_visible_at,
            notify=row.notify,
            details=Details.from_json(row.details),
            accepted_at=max(row.received_at, row.visible_from or row.received_at),
            traceparent=one.traceparent,
        )
        for one, row in found
    }


def _set(session: Session, candidates: Collection[Candidate], values: Mapping[str, Any]) -> None:
    if candidates:
        ids = [one.article_id for one in candidates]
        session.execute(update(table(ArticleRow)).where(ArticleRow.id.in_(ids)).values(**values))


def _announce(session: Session, chosen: Mapping[Verdict, Collection[Candidate]], at: datetime) -> None:
    candidates = [(event_type, one) for verdict, event_type in _EVENTS.items() for one in chosen[verdict]]
    if not candidates:
        return
    labelled = [
        Labelled(
            article_id=one.article_id,
            labels=labels_of(one.details),
            first_visible_at=one.first_visible_at or at,
        )
        for _, one in candidates
    ]
    # All at once: labels that come in two turns come in no order, and transactions would block each other.
    concerned = put_labels(session, labelled)
    emit_all(
        session,
        [
            Event(
                type=event_type,
                subject=one.article_id,
                data={
                    "sequence": one.sequence,
                    "notify": one.notify,
                    "labels": [str(label) for label in concerned[one.article_id]],
                    "accepted_at": one.accepted_at.isoformat(),
                },
                traceparent=one.traceparent,
            )
            for event_type, one in candidates
        ],
    )
