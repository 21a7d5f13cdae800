"""What is sent to subscribers whose deliveries are due: documents and questions."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from publisher.errors import SettingsError
from publisher.notify.due import Due
from publisher.notify.outcome import DeliveryState
from publisher.notify.secrets.box import SecretBox
from publisher.notify.secrets.endpoint_secrets import live_secrets
from publisher.notify.websub.distribution import Distribution
from publisher.notify.websub.form import Mode
from publisher.notify.websub.verification import Verification
from publisher.schema import EndpointRow, TopicRow, VerificationRow

log = structlog.get_logger("publisher.websub")


def load_for_subscribers(
    session: Session, rows: Sequence[Due], *, box: SecretBox, at: datetime
) -> Mapping[UUID, Distribution | Verification | DeliveryState]:
    """Return what is sent for each delivery, or what becomes of it unsent.

    Cancelled is what a lease has run out for, what a takedown took away, and what is not asked any more.

    Args:
        at: by which secrets expire.

    Raises:
        SettingsError: when PUBLISHER_SECRET_KEY is not the key that secrets were encrypted with.
    """
    if not rows:
        return {}
    # Of a subscriber's deliveries the one of documents has the subscription's own id.
    documents = [row for row in rows if row.id == row.endpoint_id and row.is_subscribed]
    verifications = [row.id for row in rows if row.id != row.endpoint_id]
    return {
        **dict.fromkeys([row.id for row in rows], DeliveryState.CANCELLED),
        **(_documents(session, documents, box, at) if documents else {}),
        **(_verifications(session, verifications, box) if verifications else {}),
    }


def _documents(
    session: Session, rows: Sequence[Due], box: SecretBox, at: datetime
) -> dict[UUID, Distribution | DeliveryState]:
    topics = _topics(session, {row.topic_id for row in rows if row.topic_id is not None}, box)
    secrets = live_secrets(session, {row.endpoint_id for row in rows}, box=box, at=at)
    return {
        row.id: _signed(topics[row.topic_id], secrets.get(row.endpoint_id))
        for row in rows
        if row.topic_id in topics
    }


def _signed(
    document: Distribution | DeliveryState, secrets: tuple[bytes, ...] | None
) -> Distribution | DeliveryState:
    if secrets is None or isinstance(document, DeliveryState):
        return document
    # Without the signature that was agreed on, the subscriber would not believe it.
    return replace(document, secret=secrets[0]) if secrets else DeliveryState.HELD


def _topics(
    session: Session, ids: Collection[UUID], box: SecretBox
) -> dict[UUID, Distribution | DeliveryState]:
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


def _distribution(row: Any, box: SecretBox) -> Distribution | DeliveryState:
    link, body = row.link, row.body
    if row.stand_in is not None:
        token = _token(row.token, row.id, box)
        if token is None:
            return DeliveryState.HELD
        link, body = link.replace(row.stand_in, token), body.replace(row.stand_in.encode(), token.encode())
    return Distribution(sequence=row.generation, content_type=row.content_type, link=link, body=body)


def _verifications(
    session: Session, ids: Collection[UUID], box: SecretBox
) -> dict[UUID, Verification | DeliveryState]:
    rows = session.execute(
        select(
            VerificationRow, TopicRow.id.label("topic_id"), TopicRow.url, TopicRow.stand_in, TopicRow.token
        )
        .join(EndpointRow, EndpointRow.id == VerificationRow.endpoint_id)
        .join(TopicRow, TopicRow.id == EndpointRow.topic_id)
        .where(VerificationRow.id.in_(ids))
    )
    return {row.VerificationRow.id: _verification(row.VerificationRow, row, box) for row in rows}


def _verification(asked: VerificationRow, topic: Any, box: SecretBox) -> Verification | DeliveryState:
    url = topic.url
    if topic.stand_in is not None:
        token = _token(topic.token, topic.topic_id, box)
        if token is None:
            return DeliveryState.CANCELLED
        url = url.replace(topic.stand_in, token)
    return Verification(
        mode=Mode(asked.mode),
        topic=url,
        challenge=asked.challenge,
        lease_s=asked.lease_s,
        reason=asked.reason,
    )


def _token(encrypted: bytes, topic_id: UUID, box: SecretBox) -> str | None:
    """Return a topic's token; None: it was encrypted with another key, until somebody asks for it anew."""
    with suppress(SettingsError):
        return box.decrypt(encrypted, owner=topic_id.bytes).decode()
    log.error("topic.unreadable_token", topic_id=str(topic_id))
    return None
