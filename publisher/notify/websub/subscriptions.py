"""Subscriptions: asked for, and confirmed by their callbacks or not. Each is an endpoint that has a topic."""

import secrets
from datetime import timedelta
from uuid import UUID

from sqlalchemy import ScalarSelect, Select, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import Insert
from sqlalchemy.dialects.postgresql import insert as insert_unless_there
from sqlalchemy.orm import Session

from publisher.database import Channel, wake
from publisher.errors import PublisherError
from publisher.feed_state import owe_pushes
from publisher.ids import new_id
from publisher.notify.endpoints.destination import host_address, host_of
from publisher.notify.endpoints.filters import NOTHING, filter_hash
from publisher.notify.endpoints.store import shard_of
from publisher.notify.outcome import DeliveryState
from publisher.notify.secrets.box import SecretBox
from publisher.notify.websub.ending import end
from publisher.notify.websub.form import Mode, SubscriptionRequest
from publisher.notify.websub.owing import owe_newest_to
from publisher.schema import (
    DeliveryRow,
    EndpointRow,
    EndpointSecretRow,
    FeedRow,
    TopicRow,
    VerificationRow,
)

MOST_VERIFICATIONS = 200
"""That wait at a time: so many requests to strangers leave most of a sender's slots to webhooks."""

MOST_OF_A_HOST = 100
"""Verifications that wait, and subscriptions to one topic, whose callbacks are of one host."""

_CHALLENGE_BYTES = 32
_TRIES = 3
# To answer a verification, or to take a document.
_TIMEOUT_S = 10.0


class TooMany(PublisherError):
    """There are as many subscriptions of a host, or as many verifications waiting, as there may be."""


def ask(session: Session, request: SubscriptionRequest, topic_id: UUID, *, box: SecretBox) -> None:
    """Oblige us to ask a callback whether that is what it wants; until it says so, nothing changes.

    Args:
        request: its callback has passed `check_url`.
        topic_id: of what it names.

    Raises:
        TooMany: when that would be too much, for us or for the callback's host.
    """
    _refuse_crowds(session, topic_id, request.callback)
    endpoint_id = _endpoint(session, topic_id, request.callback)
    identifier = new_id()
    verification = {
        "id": identifier,
        "endpoint_id": endpoint_id,
        "mode": request.mode,
        "challenge": secrets.token_urlsafe(_CHALLENGE_BYTES),
        "generation": _generation_of(topic_id),
        "created_at": func.now(),
    }
    if request.mode is Mode.SUBSCRIBE:
        verification["lease_s"] = request.lease_s
        if request.secret is not None:
            verification["secret"] = box.encrypt(request.secret, owner=endpoint_id.bytes)
    session.execute(insert(VerificationRow).values(verification))
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


def confirm(session: Session, verification_id: UUID) -> None:
    """Do what a callback was asked about: it said yes. Once more changes nothing.

    Of several requests, the last one that is confirmed holds.
    """
    verification = _taken(session, verification_id)
    if verification is None:
        return
    if verification.mode == Mode.UNSUBSCRIBE:
        end(session, verification.endpoint_id)
        return
    mine = select(EndpointRow.topic_id).where(EndpointRow.id == verification.endpoint_id)
    topic_id = session.scalar(mine)
    assert topic_id is not None
    # Whoever changes the feed at this moment comes first, or finds the subscription.
    feed = session.execute(_FEED.where(TopicRow.id == topic_id).with_for_update(read=True, of=FeedRow)).one()
    ends_at = func.now() + timedelta(seconds=verification.lease_s or 0)
    session.execute(
        update(EndpointRow).where(EndpointRow.id == verification.endpoint_id).values(expires_at=ends_at)
    )
    _replace_secret(session, verification.endpoint_id, verification.secret)
    until = func.greatest(TopicRow.subscribed_until, ends_at)
    session.execute(update(TopicRow).where(TopicRow.id == topic_id).values(subscribed_until=until))
    if feed.generation == verification.generation:
        return
    # Whoever asked has not seen what came since.
    if feed.generation > feed.kept:
        owe_pushes(session, [feed.label_id])
    else:
        owe_newest_to(session, feed.label_id, verification.endpoint_id)


def leave_unconfirmed(session: Session, verification_id: UUID) -> None:
    """Forget what a callback was asked about: it did not say yes. A subscription that it has stays."""
    request = _taken(session, verification_id)
    if request is None:
        return
    never = EndpointRow.expires_at.is_(None)
    mine = select(EndpointRow.id).where(EndpointRow.id == request.endpoint_id, never)
    if session.scalar(mine) is not None:
        end(session, request.endpoint_id)


def end_denied(session: Session, verification_id: UUID) -> None:
    """End a subscription whose callback was told that it is denied."""
    request = _taken(session, verification_id)
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
            host=_host(callback),
            filter=NOTHING.as_json(),
            filter_hash=filter_hash(NOTHING),
            shard=shard_of(identifier),
            timeout_s=_TIMEOUT_S,
            created_at=func.now(),
        )
        .on_conflict_do_nothing()
    )


def _refuse_crowds(session: Session, topic_id: UUID, callback: str) -> None:
    host = _host(callback)
    of_host = select(EndpointRow.id).where(EndpointRow.host == host, EndpointRow.topic_id.is_not(None))
    if _are(session, select(VerificationRow.id), MOST_VERIFICATIONS):
        raise TooMany("hub.callback: too many callbacks wait to be asked; come back later")
    if _are(session, of_host.join(VerificationRow), MOST_OF_A_HOST):
        raise TooMany(f"hub.callback: {MOST_OF_A_HOST} callbacks of {host} wait to be asked; come back later")
    # Whoever renews, or unsubscribes, is one of them already.
    others = of_host.where(
        EndpointRow.topic_id == topic_id, EndpointRow.url != callback, EndpointRow.expires_at > func.now()
    )
    if _are(session, others, MOST_OF_A_HOST):
        raise TooMany(f"hub.callback: {host} has {MOST_OF_A_HOST} subscriptions to it; expected fewer")


def _host(callback: str) -> str:
    """Return the host of a callback in the one spelling that hosts are counted by."""
    host = host_of(callback)
    return str(host_address(host) or host.removesuffix("."))


def _are(session: Session, found: Select[UUID], many: int) -> bool:
    return len(session.scalars(found.limit(many)).all()) == many


def _generation_of(topic_id: UUID) -> ScalarSelect[int]:
    topic = select(TopicRow.label_id).where(TopicRow.id == topic_id).scalar_subquery()
    return select(FeedRow.generation).where(FeedRow.label_id == topic).scalar_subquery()


def _taken(session: Session, verification_id: UUID) -> VerificationRow | None:
    """Take a verification out of the record and return it, its endpoint locked; None: somebody did before."""
    asked = select(VerificationRow.endpoint_id).where(VerificationRow.id == verification_id)
    endpoint_id = session.scalar(asked)
    if endpoint_id is None:
        return None
    mine = select(EndpointRow.id).where(EndpointRow.id == endpoint_id)
    session.execute(mine.with_for_update(key_share=True))
    session.execute(delete(DeliveryRow).where(DeliveryRow.id == verification_id))
    taken = delete(VerificationRow).where(VerificationRow.id == verification_id)
    return session.scalar(taken.returning(VerificationRow))


def _replace_secret(session: Session, endpoint_id: UUID, encrypted: bytes | None) -> None:
    session.execute(delete(EndpointSecretRow).where(EndpointSecretRow.endpoint_id == endpoint_id))
    if encrypted is not None:
        session.execute(
            insert(EndpointSecretRow).values(
                id=new_id(), endpoint_id=endpoint_id, encrypted=encrypted, created_at=func.now()
            )
        )


_FEED = select(FeedRow.label_id, FeedRow.generation, TopicRow.generation.label("kept")).join(
    TopicRow, TopicRow.label_id == FeedRow.label_id
)
