"""Who is to get a message, as rows of `delivery`, in slices that one statement can write."""

import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    LargeBinary,
    Select,
    Uuid,
    and_,
    any_,
    case,
    func,
    literal,
    null,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from publisher.notify.locking import locking
from publisher.notify.outcome import DeliveryState
from publisher.schema import DeliveryRow, EndpointRow
from publisher.schema.row import table

SLICE = 10_000
"""Endpoints in one statement."""

_UNFINISHED = (DeliveryState.PENDING, DeliveryState.HELD)


@dataclass(frozen=True, kw_only=True)
class Audience:
    """The endpoints that are to get a message.

    Attributes:
        time: of the message; endpoints made after it are left out.
        filter_hashes: of the filters that ask for it.
        only: the one endpoint that it is for, whatever it asks for.
        retraction: it goes to those that have a delivery of the article, and cancels what waits there.
            Whether anything was really sent is not asked: it may be on its way at this moment.
    """

    message_id: UUID
    time: datetime
    filter_hashes: Collection[bytes]
    article_id: UUID | None = None
    sequence: int | None = None
    only: UUID | None = None
    retraction: bool = False


@dataclass(frozen=True, kw_only=True)
class Made:
    """How far a start came.

    Attributes:
        after: the endpoint to go on after; None: there are no more.
        overtaken: deliveries of older sequences that are not over, to be given to `cancel`.
    """

    after: UUID | None = None
    overtaken: Collection[UUID] = ()


@dataclass(frozen=True, kw_only=True)
class _Slice:
    """Endpoints by their ids: those after the first one, up to and with the last one."""

    after: UUID | None
    last: UUID | None = None

    def holds(self, column: InstrumentedAttribute[UUID]) -> ColumnElement[bool]:
        return and_(
            true() if self.after is None else column > self.after,
            true() if self.last is None else column <= self.last,
        )


def make_deliveries(session: Session, audience: Audience, *, after: UUID | None, deadline: float) -> Made:
    """Write the deliveries of a message, slice by slice.

    What exists already stays as it is, so any slice may be written again. What waits of the article's older
    sequences is overtaken where the new one goes, tried or not, so that the old text never comes last;
    whoever has a newer one already is left out.

    Args:
        after: the endpoint at which the last start stopped.
        deadline: by `time.monotonic`; no slice is begun after it, but one is always written.
    """
    if not audience.filter_hashes and audience.only is None and not audience.retraction:
        return Made()
    # What is older than the first sequence does not exist.
    older = audience.article_id is not None and audience.sequence != 1
    overtaken: list[UUID] = []
    while True:
        rest = _Slice(after=after)
        last = session.scalar(_endpoints(audience, rest).offset(SLICE - 1).limit(1))
        piece = _Slice(after=after, last=last)
        session.execute(_insert(audience, piece))
        if older:
            overtaken += session.scalars(_overtaken(audience, piece))
        if last is None or time.monotonic() >= deadline:
            return Made(after=last, overtaken=overtaken)
        after = last


def cancel(session: Session, overtaken: Collection[UUID]) -> None:
    """Cancel what waits of these deliveries.

    Once for all messages of a transaction: whoever changes deliveries locks them in the order of their ids.
    """
    if not overtaken:
        return
    named = DeliveryRow.id == any_(literal(list(overtaken), ARRAY(Uuid)))
    waits = named & DeliveryRow.state.in_(_UNFINISHED)
    session.execute(locking(waits))
    cancelled = {"state": DeliveryState.CANCELLED, "next_attempt_at": None}
    session.execute(update(table(DeliveryRow)).where(waits).values(cancelled))


def _endpoints(audience: Audience, piece: _Slice) -> Select[UUID]:
    """Return the endpoints that slices are cut from, by id."""
    if audience.retraction:
        told = select(DeliveryRow.endpoint_id).where(_older(audience), piece.holds(DeliveryRow.endpoint_id))
        return told.distinct().order_by(DeliveryRow.endpoint_id)
    asking = select(EndpointRow.id).where(_asks(audience), piece.holds(EndpointRow.id))
    return asking.order_by(EndpointRow.id)


def _asks(audience: Audience) -> ColumnElement[bool]:
    if audience.only is not None:
        return and_(EndpointRow.deleted_at.is_(None), EndpointRow.id == audience.only)
    hashes = literal(list(audience.filter_hashes), ARRAY(LargeBinary))
    return and_(
        EndpointRow.deleted_at.is_(None),
        EndpointRow.topic_id.is_(None),
        EndpointRow.filter_hash == any_(hashes),
        EndpointRow.created_at <= audience.time,
    )


def _older(audience: Audience) -> ColumnElement[bool]:
    return and_(DeliveryRow.article_id == audience.article_id, DeliveryRow.sequence < audience.sequence)


def _insert(audience: Audience, piece: _Slice) -> Insert:
    here = DeliveryRow.endpoint_id == EndpointRow.id
    chosen = [_asks(audience), piece.holds(EndpointRow.id)]
    if audience.article_id is not None:
        newer = and_(
            DeliveryRow.article_id == audience.article_id, DeliveryRow.sequence > audience.sequence, here
        )
        chosen.append(~select(DeliveryRow.id).where(newer).exists())
    if audience.retraction:
        chosen.append(select(DeliveryRow.id).where(_older(audience), here).exists())
    columns = {
        "message_id": literal(audience.message_id),
        "message_time": literal(audience.time, DeliveryRow.message_time.type),
        "endpoint_id": EndpointRow.id,
        "article_id": literal(audience.article_id, DeliveryRow.article_id.type),
        "sequence": literal(audience.sequence, DeliveryRow.sequence.type),
        "shard": EndpointRow.shard,
        "state": case((EndpointRow.enabled, DeliveryState.PENDING), else_=DeliveryState.HELD),
        "next_attempt_at": case((EndpointRow.enabled, func.now()), else_=null()),
        "urgent": literal(audience.retraction),
    }
    rows = select(*columns.values()).where(*chosen).order_by(EndpointRow.id)
    return insert(DeliveryRow).from_select(list(columns), rows).on_conflict_do_nothing()


def _overtaken(audience: Audience, piece: _Slice) -> Select[UUID]:
    chosen = [_older(audience), DeliveryRow.state.in_(_UNFINISHED), piece.holds(DeliveryRow.endpoint_id)]
    if not audience.retraction:
        new = aliased(DeliveryRow)
        told = and_(new.endpoint_id == DeliveryRow.endpoint_id, new.message_id == audience.message_id)
        chosen.append(select(new.id).where(told).exists())
    return select(DeliveryRow.id).where(*chosen)
