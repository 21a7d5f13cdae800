"""What is sent to subscribers whose deliveries are due: documents and questions."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from publisher.notify.endpoint_secrets import live_secrets
from publisher.notify.outcome import DeliveryState
from publisher.notify.secrets import SecretBox
from publisher.notify.websub.distribution import Distribution
from publisher.notify.websub.intent import Mode
from publisher.notify.websub.question import Question
from publisher.schema import CallbackRequestRow, EndpointRow, TopicRow


def load_for_subscribers(
    session: Session, rows: Sequence[Row[Any]], *, box: SecretBox, at: datetime
) -> Mapping[UUID, Distribution | Question | DeliveryState]:
    """Return what is sent for each delivery, or what becomes of it unsent.

    Cancelled is what a lease has run out for, what a takedown took away, and what is not asked any more.

    Args:
        at: by which secrets expire.

    Raises:
        SettingsError: when PUBLISHER_SECRET_KEY is not the key that secrets, or a token, were encrypted with.
    """
    if not rows:
        return {}
    documents = [row for row in rows if row.id == row.endpoint_id]
    questions = [row.id for row in rows if row.id != row.endpoint_id]
    return {
        **dict.fromkeys([row.id for row in rows], DeliveryState.CANCELLED),
        **_documents(session, [row for row in documents if not row.expired], box, at),
        **_questions(session, questions, box),
    }


def _documents(
    session: Session, rows: Sequence[Row[Any]], box: SecretBox, at: datetime
) -> dict[UUID, Distribution | DeliveryState]:
    topics = _topics(session, {row.topic_id for row in rows}, box)
    secrets = live_secrets(session, {row.endpoint_id for row in rows}, box=box, at=at)
    return {
        row.id: _signed(topics[row.topic_id], secrets.get(row.endpoint_id))
        for row in rows
        if row.topic_id in topics
    }


def _signed(document: Distribution, secrets: tuple[bytes, ...] | None) -> Distribution | DeliveryState:
    if secrets is None:
        return document
    # Without the signature that was agreed on, the subscriber would not believe it.
    return replace(document, secret=secrets[0]) if secrets else DeliveryState.HELD


def _topics(session: Session, ids: Collection[UUID], box: SecretBox) -> dict[UUID, Distribution]:
    rows = session.execute(
        select(
            TopicRow.id,
            TopicRow.generation,
            TopicRow.content_type,
            TopicRow.link,
            TopicRow.body,
            TopicRow.stand_in,
            TopicRow.token,
        ).where(TopicRow.id.in_(ids), TopicRow.body.is_not(None))
    )
    return {row.id: _distribution(row, box) for row in rows}


def _distribution(row: Any, box: SecretBox) -> Distribution:
    link, body = row.link, row.body
    if row.stand_in is not None:
        token = _token(row.token, row.id, box)
        link, body = link.replace(row.stand_in, token), body.replace(row.stand_in.encode(), token.encode())
    return Distribution(sequence=row.generation, content_type=row.content_type, link=link, body=body)


def _token(encrypted: bytes, topic_id: UUID, box: SecretBox) -> str:
    return box.decrypt(encrypted, owner=topic_id.bytes).decode()


def _questions(session: Session, ids: Collection[UUID], box: SecretBox) -> dict[UUID, Question]:
    rows = session.execute(
        select(
            CallbackRequestRow,
            TopicRow.id.label("topic_id"),
            TopicRow.url,
            TopicRow.stand_in,
            TopicRow.token,
        )
        .join(EndpointRow, EndpointRow.id == CallbackRequestRow.endpoint_id)
        .join(TopicRow, TopicRow.id == EndpointRow.topic_id)
        .where(CallbackRequestRow.id.in_(ids))
    )
    return {row.CallbackRequestRow.id: _question(row.CallbackRequestRow, row, box) for row in rows}


def _question(request: CallbackRequestRow, topic: Any, box: SecretBox) -> Question:
    url = topic.url
    if topic.stand_in is not None:
        url = url.replace(topic.stand_in, _token(topic.token, topic.topic_id, box))
    return Question(
        mode=Mode(request.mode),
        topic=url,
        challenge=request.challenge,
        lease_s=request.lease_s,
        reason=request.reason,
    )
