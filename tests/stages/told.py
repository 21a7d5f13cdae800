"""Messages, deliveries and articles put into the record as they stand, and the past sent again."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from publisher.article import ArticleStatus
from publisher.ids import new_id
from publisher.notify.endpoints.endpoint_in import EndpointIn
from publisher.notify.endpoints.store import create, shard_of
from publisher.notify.outcome import DeliveryState
from publisher.notify.replaying.past import Past, Replayable, Window
from publisher.notify.replaying.replay import replay
from publisher.notify.secrets.box import SecretBox
from publisher.schema import ArticleLabelRow, ArticleRow, DeliveryRow, LabelRow, MessageRow

AT = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
ALL_TIME = Window(since=AT - 10 * HOUR)
BOX = SecretBox("a key that only tests use")
PENDING, HELD, FAILED = DeliveryState.PENDING, DeliveryState.HELD, DeliveryState.FAILED
SUCCEEDED, CANCELLED = DeliveryState.SUCCEEDED, DeliveryState.CANCELLED


@dataclass(frozen=True, kw_only=True)
class Told:
    """A message in the record."""

    id: UUID
    time: datetime
    article_id: UUID | None
    sequence: int | None


def endpoint(session: Session, **members: object) -> UUID:
    """Make an endpoint; return its id."""
    return create(
        session, EndpointIn.model_validate({"url": "https://example.com/hook", **members}), box=BOX
    )[0].id


def article(session: Session, *, categories: Iterable[str] = ()) -> UUID:
    """Make an article that is public in these categories, given as slugs; return its id."""
    identifier = new_id()
    session.execute(
        insert(ArticleRow).values(
            id=identifier,
            uri=f"tag:example.org,2026-05-04:article/{identifier}",
            status=ArticleStatus.PUBLISHED,
            sequence=1,
            revision=1,
            published=AT,
            updated=AT,
            received_at=AT,
        )
    )
    for slug in categories:
        label_id = session.scalar(select(LabelRow.id).where(LabelRow.slug == slug))
        if label_id is None:
            label_id = new_id()
            session.execute(insert(LabelRow).values(id=label_id, kind="category", slug=slug, term=slug))
        session.execute(
            insert(ArticleLabelRow).values(article_id=identifier, label_id=label_id, first_visible_at=AT)
        )
    return identifier


def message(
    session: Session,
    article_id: UUID | None,
    sequence: int | None = 1,
    *,
    kind: str = "article.published",
    time: datetime = AT,
    body: bytes | None = b"{}",
) -> Told:
    """Put a message in the record."""
    told = Told(id=new_id(), time=time, article_id=article_id, sequence=sequence)
    session.execute(
        insert(MessageRow).values(
            id=told.id, time=time, type=kind, article_id=article_id, sequence=sequence, body=body
        )
    )
    return told


def deliver(
    session: Session, endpoint_id: UUID, told: Told, state: DeliveryState, *, attempts: int = 0
) -> UUID:
    """Put a delivery in the record; return its id."""
    identifier = new_id()
    session.execute(
        insert(DeliveryRow).values(
            id=identifier,
            message_id=told.id,
            message_time=told.time,
            endpoint_id=endpoint_id,
            article_id=told.article_id,
            sequence=told.sequence,
            shard=shard_of(endpoint_id),
            state=state,
            attempts=attempts,
            next_attempt_at=AT if state is PENDING else None,
        )
    )
    return identifier


def standing(session: Session, endpoint_id: UUID) -> dict[UUID, str]:
    """Return the state of each of the endpoint's deliveries by its message."""
    rows = session.execute(select(DeliveryRow).where(DeliveryRow.endpoint_id == endpoint_id)).scalars()
    session.expire_all()
    return {row.message_id: row.state for row in rows}


def again(
    session: Session, endpoint_id: UUID, window: Window = ALL_TIME, *states: str, **members: Any
) -> int:
    """Send the past again; return how many deliveries that are."""
    wanted = frozenset(map(Replayable, states)) or frozenset(Replayable)
    return replay(session, endpoint_id, Past(window=window, states=wanted, **members))
