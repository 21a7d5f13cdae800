"""Write accepted submissions into the record, with the event that reports each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, func, insert, update
from sqlalchemy.dialects.postgresql import insert as insert_or_ignore
from sqlalchemy.orm import Session

from publisher.article import ArticleStatus
from publisher.details import Details
from publisher.events import Event, EventType
from publisher.ingest.decision import Decision, Outcome
from publisher.ingest.keys import Key
from publisher.outbox.emit import emit_all
from publisher.schema import ArticleKeyRow, ArticleRow, RevisionRow
from publisher.schema.row import table


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """A submission that goes into the record, unless it changes nothing.

    Attributes:
        new_keys: identities that the article did not have.
    """

    article_id: UUID
    uri: str
    decision: Decision
    new_keys: tuple[Key, ...]


_INSERT_ARTICLE = insert(table(ArticleRow)).values(
    status=ArticleStatus.RECEIVED,
    received_at=func.now(),
    published=func.coalesce(bindparam("given", type_=ArticleRow.published.type), func.now()),
    updated=func.coalesce(bindparam("given", type_=ArticleRow.published.type), func.now()),
)
_INSERT_REVISION = insert(table(RevisionRow)).values(received_at=func.now())


def store(session: Session, accepted: Sequence[Accepted]) -> None:
    """Write articles, revisions, identities and events; nothing for what is unchanged."""
    created = [one for one in accepted if one.decision.outcome is Outcome.CREATED]
    again = [one for one in accepted if one.decision.outcome in (Outcome.REVISED, Outcome.RESTORED)]
    if created:
        session.execute(_INSERT_ARTICLE, [_article(one) for one in created])
    for one in again:
        _revise(session, one)
    if created or again:
        session.execute(_INSERT_REVISION, [_revision(one) for one in created + again])
    keys = [_key(one.article_id, key) for one in accepted for key in one.new_keys]
    if keys:
        session.execute(insert_or_ignore(table(ArticleKeyRow)).on_conflict_do_nothing(), keys)
    emit_all(session, [_received(one) for one in created + again])


def _article(one: Accepted) -> dict[str, Any]:
    submission = one.decision.submission
    return {
        "id": one.article_id,
        "uri": one.uri,
        "sequence": one.decision.sequence,
        "revision": one.decision.sequence,
        "given": submission.published or submission.visible_from,
    }


def _revise(session: Session, one: Accepted) -> None:
    session.execute(
        update(ArticleRow)
        .where(ArticleRow.id == one.article_id)
        .values(
            status=ArticleStatus.RECEIVED,
            sequence=one.decision.sequence,
            revision=one.decision.sequence,
            retracted_at=None,
            retraction_reason=None,
        )
    )


def _revision(one: Accepted) -> dict[str, Any]:
    submission = one.decision.submission
    return {
        "article_id": one.article_id,
        "sequence": one.decision.sequence,
        "url": submission.url,
        "guid": submission.guid,
        "title": submission.title,
        "summary": submission.summary,
        "language": submission.language,
        "content_html": submission.content_html,
        "content_text": submission.content_text,
        "details": Details.of(submission).as_json(),
        "digest": one.decision.digest,
        "visible_from": submission.visible_from,
        "notify": submission.notify,
        "derived": [],
    }


def _key(article_id: UUID, key: Key) -> dict[str, Any]:
    return {"kind": key.kind, "digest": key.digest, "value": key.value, "article_id": article_id}


def _received(one: Accepted) -> Event:
    return Event(
        type=EventType.ARTICLE_RECEIVED,
        subject=one.article_id,
        data={"sequence": one.decision.sequence, "outcome": one.decision.outcome},
        traceparent=one.decision.submission.traceparent,
    )
