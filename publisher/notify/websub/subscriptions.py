"""Subscriptions: asked for, and confirmed by their callbacks or not. Each is an endpoint that has a topic."""

import secrets
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import Insert
from sqlalchemy.dialects.postgresql import insert as insert_unless_there
from sqlalchemy.orm import Session

from publisher.database import Channel, wake
from publisher.errors import PublisherError
from publisher.feed_state import push
from publisher.ids import new_id
from publisher.notify.destination import host_of
from publisher.notify.endpoints import shard_of
from publisher.notify.filters import NOTHING, filter_hash
from publisher.notify.outcome import DeliveryState
from publisher.notify.secrets import SecretBox
from publisher.notify.websub.ending import end
from publisher.notify.websub.intent import Intent, Mode
from publisher.notify.websub.owing import owe_newest
from publisher.schema import (
    CallbackRequestRow,
    DeliveryRow,
    EndpointRow,
    EndpointSecretRow,
    FeedRow,
    TopicRow,
)

MOST_QUESTIONS = 100
"""To callbacks of one host that wait to be asked: nobody is flooded by what others say to us."""

MOST_OF_A_HOST = 100
"""Subscriptions to one topic whose callbacks are of one host: each of them is sent the whole document."""

_CHALLENGE_BYTES = 32
_TRIES = 3


class TooMany(PublisherError):
    """A host has as many subscriptions, or questions that wait, as it may have."""


def ask(session: Session, intent: Intent, topic_id: UUID, *, box: SecretBox) -> None:
    """Oblige us to ask a callback whether that is what it wants; until it says so, nothing changes.

    Args:
        intent: its callback has passed `check_url` and `check_name`.
        topic_id: of what it names.

    Raises:
        TooMany: when that would be too much for the callback's host.
    """
    _refuse_crowds(session, topic_id, intent.callback)
    endpoint_id = _endpoint(session, topic_id, intent.callback)
    subscribes = intent.mode is Mode.SUBSCRIBE
    secret = box.encrypt(intent.secret, owner=endpoint_id.bytes) if intent.secret and subscribes else None
    identifier = new_id()
    session.execute(
        insert(CallbackRequestRow).values(
            id=identifier,
            endpoint_id=endpoint_id,
            mode=intent.mode,
            lease_s=intent.lease_s if subscribes else None,
            challenge=secrets.token_urlsafe(_CHALLENGE_BYTES),
            secret=secret,
            created_at=func.now(),
        )
    )
    session.execute(
        insert(DeliveryRow).values(
            id=identifier,
            message_id=identifier,
            message_time=func.now(),
            endpoint_id=endpoint_id,
            shard=shard_of(endpoint_id),
            state=DeliveryState.PENDING,
            next_attempt_at=func.now(),
        )
    )
    wake(session, Channel.DELIVERIES)


def confirm(session: Session, request_id: UUID) -> None:
    """Do what a callback was asked about: it said yes. Once more changes nothing.

    Of several requests, the last one that is confirmed holds.
    """
    request = _taken(session, request_id)
    if request is None:
        return
    if request.mode == Mode.UNSUBSCRIBE:
        end(session, request.endpoint_id)
        return
    ends_at = func.now() + timedelta(seconds=request.lease_s or 0)
    topic_id = session.scalar(
        update(EndpointRow)
        .where(EndpointRow.id == request.endpoint_id)
        .values(expires_at=ends_at)
        .returning(EndpointRow.topic_id)
    )
    assert topic_id is not None
    _replace_secret(session, request.endpoint_id, request.secret)
    until = func.greatest(TopicRow.subscribed_until, ends_at)
    session.execute(update(TopicRow).where(TopicRow.id == topic_id).values(subscribed_until=until))
    _catch_up(session, topic_id, request)


def leave_unconfirmed(session: Session, request_id: UUID) -> None:
    """Forget what a callback was asked about: it did not say yes. A subscription that it has stays."""
    request = _taken(session, request_id)
    if request is None:
        return
    never = EndpointRow.expires_at <= EndpointRow.created_at
    mine = select(EndpointRow.id).where(EndpointRow.id == request.endpoint_id, never)
    if session.scalar(mine) is not None:
        end(session, request.endpoint_id)


def end_denied(session: Session, request_id: UUID) -> None:
    """End a subscription whose callback was told that it is denied."""
    request = _taken(session, request_id)
    if request is not None:
        end(session, request.endpoint_id)


def _endpoint(session: Session, topic_id: UUID, callback: str) -> UUID:
    """Return the subscription of a callback to a topic, kept until the commit; there is one from now on."""
    mine = select(EndpointRow.id).where(EndpointRow.topic_id == topic_id, EndpointRow.url == callback)
    for _ in range(_TRIES):
        session.execute(_new_endpoint(topic_id, callback))
        # The weakest lock that keeps it: it may have ended since.
        found = session.scalar(mine.with_for_update(read=True, key_share=True))
        if found is not None:
            return found
    raise TooMany("hub.callback: subscribes and unsubscribes at the same time")


def _new_endpoint(topic_id: UUID, callback: str) -> Insert:
    identifier = new_id()
    return (
        insert_unless_there(EndpointRow)
        .values(
            id=identifier,
            topic_id=topic_id,
            url=callback,
            host=host_of(callback),
            filter=NOTHING.as_json(),
            filter_hash=filter_hash(NOTHING),
            shard=shard_of(identifier),
            created_at=func.now(),
            expires_at=func.now(),
        )
        .on_conflict_do_nothing()
    )


def _refuse_crowds(session: Session, topic_id: UUID, callback: str) -> None:
    host = host_of(callback)
    of_host = select(EndpointRow.id).where(EndpointRow.host == host, EndpointRow.topic_id.is_not(None))
    asked = of_host.join(CallbackRequestRow, CallbackRequestRow.endpoint_id == EndpointRow.id)
    if len(session.scalars(asked.limit(MOST_QUESTIONS)).all()) == MOST_QUESTIONS:
        raise TooMany(f"hub.callback: {MOST_QUESTIONS} callbacks of {host} wait to be asked; come back later")
    # Whoever renews, or unsubscribes, is one of them already.
    others = of_host.where(EndpointRow.topic_id == topic_id, EndpointRow.url != callback)
    if len(session.scalars(others.limit(MOST_OF_A_HOST)).all()) == MOST_OF_A_HOST:
        raise TooMany(f"hub.callback: {host} has {MOST_OF_A_HOST} subscriptions to it; expected fewer")


def _taken(session: Session, request_id: UUID) -> CallbackRequestRow | None:
    """Take a request out of the record and return it, its endpoint locked; None: somebody did before."""
    endpoint_id = session.scalar(
        select(CallbackRequestRow.endpoint_id).where(CallbackRequestRow.id == request_id)
    )
    mine = select(EndpointRow.id).where(EndpointRow.id == endpoint_id)
    session.execute(mine.with_for_update(key_share=True))
    return session.scalar(
        delete(CallbackRequestRow).where(CallbackRequestRow.id == request_id).returning(CallbackRequestRow)
    )


def _replace_secret(session: Session, endpoint_id: UUID, encrypted: bytes | None) -> None:
    session.execute(delete(EndpointSecretRow).where(EndpointSecretRow.endpoint_id == endpoint_id))
    if encrypted is not None:
        session.execute(
            insert(EndpointSecretRow).values(
                id=new_id(), endpoint_id=endpoint_id, encrypted=encrypted, created_at=func.now()
            )
        )


def _catch_up(session: Session, topic_id: UUID, request: CallbackRequestRow) -> None:
    """Owe what came between the request and its confirmation: whoever asked has not seen it, as a rule."""
    row = session.execute(
        select(FeedRow.label_id, FeedRow.generation, TopicRow.generation.label("kept"))
        .join(TopicRow, TopicRow.label_id == FeedRow.label_id)
        .where(TopicRow.id == topic_id, FeedRow.changed_at >= request.created_at)
    ).one_or_none()
    if row is None:
        return
    if row.kept >= row.generation:
        owe_newest(session, topic_id, row.kept)
    else:
        push(session, [row.label_id])
