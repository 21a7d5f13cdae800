"""Stage 2 at the record: load revisions that were received, store what they are about."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Update, and_, bindparam, func, select, update
from sqlalchemy.orm import Session

from publisher.article import ArticleStatus
from publisher.enrich.enriching import enrich
from publisher.enrich.enrichment import EnrichInput, Enrichment
from publisher.events import Event, EventType
from publisher.outbox.emit import emit_all
from publisher.outbox.obligation import Done, Fate, Obligation
from publisher.schema import ArticleRow, RevisionRow
from publisher.schema.row import table

_DERIVABLE = ("summary", "language", "content_html", "content_text")
_ALWAYS_DERIVED = ("slug", "word_count", "reading_minutes")


@dataclass(frozen=True, kw_only=True)
class Found:
    """What enrichment found out, and which columns it fills with it."""

    enrichment: Enrichment
    derived: tuple[str, ...]


def load_revisions(session: Session, obligations: Collection[Obligation]) -> dict[Obligation, EnrichInput]:
    """Return what to enrich; a revision that was overtaken meanwhile needs nothing."""
    rows = session.execute(
        select(RevisionRow, ArticleRow.sequence)
        .join(
            ArticleRow,
            and_(ArticleRow.id == RevisionRow.article_id, ArticleRow.revision == RevisionRow.sequence),
        )
        .where(ArticleRow.id.in_({one.subject for one in obligations}))
    ).all()
    newest = {(row.article_id, sequence): row for row, sequence in rows}
    found = [(one, newest.get((one.subject, one.data["sequence"]))) for one in obligations]
    return {one: _input(row) for one, row in found if row is not None}


def find_out(text: EnrichInput) -> Found:
    """Return what the article is about."""
    derived = tuple(name for name in _DERIVABLE if getattr(text, name) is None)
    return Found(enrichment=enrich(text), derived=derived)


def store_enrichments(session: Session, results: Mapping[Obligation, Found]) -> dict[Obligation, Fate]:
    """Store what was found out about revisions that are still the newest, and report it."""
    newest = _lock(session, {one.subject for one in results})
    current = [one for one in results if newest.get(one.subject) == one.data["sequence"]]
    for derived in sorted({results[one].derived for one in current}):
        rows = [_row(one, results[one]) for one in current if results[one].derived == derived]
        session.connection().execute(_update(derived), rows)
    session.execute(
        update(table(ArticleRow))
        .where(ArticleRow.id.in_([one.subject for one in current]))
        .values(status=ArticleStatus.ENRICHED)
    )
    emit_all(session, [_enriched(one) for one in current])
    return {one: Done(outcome="enriched" if one in current else "superseded") for one in results}


def _lock(session: Session, ids: Collection[UUID]) -> dict[UUID, int]:
    rows = session.execute(
        select(ArticleRow.id, ArticleRow.sequence)
        .where(ArticleRow.id.in_(ids))
        .order_by(ArticleRow.id)
        .with_for_update()
    )
    return {row.id: row.sequence for row in rows}


def _input(row: RevisionRow) -> EnrichInput:
    # What an earlier enrichment has derived is derived anew; what the sender gave stays.
    given: dict[str, Any] = {name: None if name in row.derived else getattr(row, name) for name in _DERIVABLE}
    return EnrichInput(article_id=row.article_id, title=row.title, url=row.url, **given)


def _update(derived: tuple[str, ...]) -> Update:
    revisions = table(RevisionRow)
    return (
        update(revisions)
        .where(revisions.c.article_id == bindparam("article"), revisions.c.sequence == bindparam("revision"))
        .values(
            {name: bindparam(f"new_{name}") for name in (*derived, *_ALWAYS_DERIVED)}
            | {"derived": list(derived), "enriched_at": func.now()}
        )
    )


def _row(one: Obligation, found: Found) -> dict[str, Any]:
    new = {f"new_{name}": getattr(found.enrichment, name) for name in (*found.derived, *_ALWAYS_DERIVED)}
    return {"article": one.subject, "revision": one.data["sequence"], **new}


def _enriched(one: Obligation) -> Event:
    return Event(
        type=EventType.ARTICLE_ENRICHED,
        subject=one.subject,
        data={"sequence": one.data["sequence"]},
        traceparent=one.traceparent,
    )
