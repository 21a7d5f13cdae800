"""Endpoints: who wants to be told of what, where, and signed with which secrets."""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from publisher.errors import Conflict, NotFound
from publisher.events import EventType
from publisher.ids import new_id
from publisher.notify.endpoints.disabling import DisabledReason, disable
from publisher.notify.endpoints.endpoint_in import EndpointIn, EndpointPatch
from publisher.notify.endpoints.filters import Filter, filter_hash, filter_of
from publisher.notify.endpoints.waiting import stop_waiting
from publisher.notify.secrets.box import SecretBox
from publisher.notify.secrets.endpoint_secrets import USUAL, Rotation, add_secret, replace_secret
from publisher.outbox.emit import emit
from publisher.pauses import let_go
from publisher.schema import EndpointRow, EndpointSecretRow

SHARDS = 64
_FILTER_MEMBERS = ("event_types", "categories")
# Subscribers of feeds are not what clients of the API have registered.
_IS_WEBHOOK = (EndpointRow.deleted_at.is_(None), EndpointRow.topic_id.is_(None))


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """An endpoint as clients see it; never with its secrets.

    Attributes:
        disabled_reason: set exactly when it is not enabled.
        paused_at: since when an operator lets nothing be sent.
        paused_until: the receiver asked for silence until then.
        failing_since: its first failure since its last success.
        broken_until: it has failed so much that nothing is tried until then.
    """

    id: UUID
    url: str
    filter: Filter
    description: str | None
    enabled: bool
    disabled_reason: str | None
    created_at: datetime
    rate_per_s: float | None
    max_in_flight: int | None
    fifo: bool
    timeout_s: float | None
    paused_at: datetime | None = None
    paused_until: datetime | None = None
    failing_since: datetime | None = None
    broken_until: datetime | None = None

    def is_broken(self, *, at: datetime) -> bool:
        """Return whether its circuit is open."""
        return self.broken_until is not None and self.broken_until > at

    def is_paused(self, *, at: datetime) -> bool:
        """Return whether what is due waits, although it is enabled."""
        return self.paused_at is not None or (self.paused_until is not None and self.paused_until > at)


def shard_of(endpoint_id: UUID) -> int:
    """Return which of the 64 shards sends to this endpoint; the same for ever."""
    return int.from_bytes(sha256(endpoint_id.bytes).digest()[:8]) % SHARDS


def create(
    session: Session, wanted: EndpointIn, *, box: SecretBox, owner: UUID | None = None
) -> tuple[Endpoint, bytes]:
    """Register an endpoint; return it and its secret, which is never shown again.

    Args:
        wanted: its URL has passed `Reach.check`.
        owner: the API key that asked; recorded, not enforced.
    """
    row = EndpointRow(
        id=new_id(),
        owner=owner,
        url=wanted.url,
        description=wanted.description,
        filter=wanted.filter.as_json(),
        filter_hash=filter_hash(wanted.filter),
        enabled=True,
        rate_per_s=wanted.rate_per_s,
        max_in_flight=wanted.max_in_flight,
        fifo=wanted.fifo,
        timeout_s=wanted.timeout_s,
        # The database's clock, as for events: what is published from then on reaches it.
        created_at=func.now(),
    )
    row.shard = shard_of(row.id)
    session.add(row)
    session.flush()
    return _endpoint(row), add_secret(session, row.id, box, given=wanted.secret)


def read(session: Session, endpoint_id: UUID) -> Endpoint:
    """Return an endpoint.

    Raises:
        NotFound: when there is none, or it was deleted.
    """
    return _endpoint(_existing(session, endpoint_id))


def newest(session: Session, *, limit: int, before: UUID | None = None) -> list[Endpoint]:
    """Return the newest endpoints first; `before` is the last id of the page before this one."""
    chosen = select(EndpointRow).where(*_IS_WEBHOOK)
    if before is not None:
        chosen = chosen.where(EndpointRow.id < before)
    return [_endpoint(row) for row in session.scalars(chosen.order_by(EndpointRow.id.desc()).limit(limit))]


def change(session: Session, endpoint_id: UUID, patch: EndpointPatch) -> Endpoint:
    """Change what was given, and nothing else; the URL, if given, has passed `Reach.check`.

    Disabling holds what waits (see `disable`). Enabling again does not release it: that takes a replay.

    Raises:
        NotFound: when there is none, or it was deleted.
    """
    row = locked(session, endpoint_id)
    given = patch.given
    wanted = {**row.filter, **{name: given[name] for name in _FILTER_MEMBERS if name in given}}
    row.filter = wanted
    row.filter_hash = filter_hash(filter_of(wanted))
    for name in given.keys() - {"enabled", *_FILTER_MEMBERS}:
        setattr(row, name, given[name])
    if given.get("enabled") is True:
        row.enabled, row.disabled_reason, row.disabled_at = True, None, None
        row.failing_since, row.failed_at, row.breaks, row.broken_until = None, None, 0, None
    session.flush()
    if given.get("enabled") is False:
        disable(session, endpoint_id, DisabledReason.MANUAL)
    return _endpoint(row)


def remove(session: Session, endpoint_id: UUID) -> None:
    """Delete an endpoint with its secrets and cancel what waits; the record of its deliveries stays.

    Cancels one slice; where more may wait, `stop_waiting` goes on.

    Raises:
        NotFound: when there is none, or it was deleted.
    """
    row = locked(session, endpoint_id)
    # What is paused is not looked at, and so would never be cancelled.
    row.enabled, row.deleted_at, row.paused_at = False, func.now(), None
    let_go(session, [str(endpoint_id)])
    session.flush()
    session.execute(delete(EndpointSecretRow).where(EndpointSecretRow.endpoint_id == endpoint_id))
    stop_waiting(session, endpoint_id)


def send_test(session: Session, endpoint_id: UUID, *, traceparent: str | None = None) -> UUID:
    """Send a message to this endpoint alone; return the message's id.

    Raises:
        NotFound: when there is none, or it was deleted.
        Conflict: when it is disabled.
    """
    require_enabled(_existing(session, endpoint_id))
    return emit(session, EventType.ENDPOINT_TEST, endpoint_id, traceparent=traceparent)


def rotate_secret(
    session: Session, endpoint_id: UUID, *, box: SecretBox, at: datetime, wanted: Rotation = USUAL
) -> tuple[bytes, datetime]:
    """Sign with another secret from now on; return it and when the older ones stop signing.

    Raises:
        NotFound: when there is none, or it was deleted.
        Conflict: when too many secrets are live already, or the new one is among them.
    """
    locked(session, endpoint_id)
    return replace_secret(session, endpoint_id, box=box, at=at, wanted=wanted)


def require_enabled(row: EndpointRow) -> None:
    """Check that something can be sent to the endpoint.

    Raises:
        Conflict: when it is disabled.
    """
    if not row.enabled:
        raise Conflict(f"endpoint {row.id}: is disabled ({row.disabled_reason}); enable it first")


def locked(session: Session, endpoint_id: UUID) -> EndpointRow:
    """Return the endpoint's row, locked until the transaction ends.

    Raises:
        NotFound: when there is none, or it was deleted.
    """
    return _existing(session, endpoint_id, lock=True)


def _existing(session: Session, endpoint_id: UUID, *, lock: bool = False) -> EndpointRow:
    chosen = select(EndpointRow).where(EndpointRow.id == endpoint_id, *_IS_WEBHOOK)
    if lock:
        chosen = chosen.with_for_update().execution_options(populate_existing=True)
    row = session.scalar(chosen)
    if row is None:
        raise NotFound(f"endpoint {endpoint_id}: is unknown")
    return row


def _endpoint(row: EndpointRow) -> Endpoint:
    return Endpoint(
        id=row.id,
        url=row.url,
        filter=filter_of(row.filter),
        description=row.description,
        enabled=row.enabled,
        disabled_reason=row.disabled_reason,
        created_at=row.created_at,
        rate_per_s=row.rate_per_s,
        max_in_flight=row.max_in_flight,
        fifo=row.fifo,
        timeout_s=row.timeout_s,
        paused_at=row.paused_at,
        paused_until=row.paused_until,
        failing_since=row.failing_since,
        broken_until=row.broken_until,
    )
