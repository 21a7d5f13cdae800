"""Stage 4a, second half: rebuild the documents of a feed that has changed, many changes at once."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from feeds.content import Document, FeedContent, documents_of, read_content
from feeds.feed import FeedFormat
from feeds.refresh import REBUILD_EVERY
from feeds.style import FeedStyle
from publisher.outbox.obligation import Done, Fate, Obligation, Postponed
from publisher.schema import FeedDocumentRow, FeedRow


@dataclass(frozen=True, kw_only=True)
class Rebuilt:
    """The documents of a feed as of one generation."""

    generation: int
    documents: Mapping[FeedFormat, Document]


def load_contents(
    session: Session, obligations: Collection[Obligation], *, style: FeedStyle
) -> dict[Obligation, FeedContent]:
    """Return what the changed feeds hold."""
    contents = {one: read_content(session, one.subject, style=style) for one in obligations}
    return {one: content for one, content in contents.items() if content is not None}


def rebuild(content: FeedContent) -> Rebuilt:
    """Return the feed's documents in every format."""
    return Rebuilt(generation=content.generation, documents=documents_of(content))


def store_documents(session: Session, results: Mapping[Obligation, Rebuilt]) -> dict[Obligation, Fate]:
    """Store documents; a feed that changed meanwhile comes due again after its pause."""
    labels = sorted({one.subject for one in results})
    generations = dict(
        session.execute(
            select(FeedRow.label_id, FeedRow.generation)
            .where(FeedRow.label_id.in_(labels))
            .order_by(FeedRow.label_id)
            .with_for_update()
        ).all()
    )
    rows = [row for one, result in results.items() for row in _rows(one.subject, result)]
    new = insert(FeedDocumentRow)
    session.execute(
        new.on_conflict_do_update(
            index_elements=[FeedDocumentRow.label_id, FeedDocumentRow.format],
            set_={name: new.excluded[name] for name in ("generation", "etag", "body", "body_gzip")},
            where=FeedDocumentRow.generation <= new.excluded.generation,
        ),
        sorted(rows, key=lambda row: (row["label_id"], row["format"])),
    )
    at = session.scalar(select(func.now()))
    assert at is not None
    rebuilt = {one.subject for one in results if results[one].generation >= generations[one.subject]}
    _note(session, rebuilt, {"owed_since": None, "rendered_at": at})
    _note(session, set(labels) - rebuilt, {"owed_since": at, "rendered_at": at})
    return {
        one: Done(outcome="rebuilt") if one.subject in rebuilt else Postponed(at=at + REBUILD_EVERY)
        for one in results
    }


def _note(session: Session, labels: Collection[UUID], values: Mapping[str, object]) -> None:
    if labels:
        session.execute(update(FeedRow).where(FeedRow.label_id.in_(labels)).values(**values))


def _rows(label_id: UUID, rebuilt: Rebuilt) -> list[dict[str, object]]:
    return [
        {
            "label_id": label_id,
            "format": feed_format,
            "generation": rebuilt.generation,
            "etag": document.etag,
            "body": document.body,
            "body_gzip": document.body_gzip,
        }
        for feed_format, document in rebuilt.documents.items()
    ]
