"""Take deliveries that are due, with everything that sending them needs."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from publisher.notify.claimed import Claimed
from publisher.notify.claiming.admission import Admission, in_turns, one_each
from publisher.notify.claiming.aside import put_aside
from publisher.notify.claiming.looks import Seen, look_along, look_before
from publisher.notify.due import Due
from publisher.notify.endpoints.health import Health
from publisher.notify.memory.room import Room
from publisher.notify.memory.sweep import Stretch
from publisher.notify.outcome import DeliveryState
from publisher.notify.secrets.box import SecretBox
from publisher.notify.sending import Sending
from publisher.notify.shards.holdings import Lease
from publisher.notify.webhook import load_webhooks
from publisher.notify.websub.loading import load_for_subscribers

# An older message is about to become a delivery: look again soon.
_ITS_TURN_IN_S = 0.05
# An index range each; the rest has its turn at the next look.
_MOST_LINES = 250


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What one look at the record brought.

    Attributes:
        more: there was more than there were slots for.
        full: endpoints that have as many requests in flight as they take, and more is due to them.
        backlogged: endpoints that have more due than they take.
        looked: the endpoints with a backlog that were looked at, and what each of them has.
        seen: what was walked along.
        ended: endpoints that are disabled or deleted, and for which more than one slice may wait.
    """

    deliveries: Sequence[Claimed]
    more: bool
    full: Collection[UUID]
    backlogged: Collection[UUID]
    looked: "Looked"
    seen: Seen
    ended: Collection[UUID] = ()


@dataclass(frozen=True, kw_only=True)
class Looked:
    """What a look at backlogs has brought.

    Attributes:
        endpoints: that were looked at.
        found: those that have something due, or in our hands.
        waits: in how many seconds it is worth looking again at those that keep an order.
    """

    endpoints: Collection[UUID]
    found: Collection[UUID] = ()
    waits: Mapping[UUID, float] = field(default_factory=dict)


def claim(
    session: Session,
    leases: Mapping[int, Lease],
    room: Room,
    *,
    box: SecretBox,
    now: datetime,
    at: datetime | None = None,
) -> Claim:
    """Return deliveries of our shards that are due, older ones first, never more than there is room for.

    What cannot be sent is put aside on the way: `held` while its endpoint is disabled or none of its secrets
    can be read, `cancelled` when the endpoint was deleted, its lease is over or the message was scrubbed.

    Args:
        leases: at least one.
        now: by which secrets expire.
        at: by which deliveries are due; None is the database's now.

    Raises:
        SettingsError: when PUBLISHER_SECRET_KEY is not the key that secrets were encrypted with.
    """
    found = _look(session, leases, room, at=at)
    admission = _admit(found, leases, room)
    sendings = _sendings(session, admission.admitted, box=box, now=now)
    _put_aside(session, leases, found.rows, sendings)
    return Claim(
        deliveries=[
            _claimed(row, leases[row.shard], sending)
            for row in admission.admitted
            if (sending := sendings.get(row.id)) is not None and not isinstance(sending, DeliveryState)
        ],
        more=bool(found.seen.cut) or admission.is_over or found.has_more_lines,
        full=admission.full,
        backlogged=admission.backlogged | found.in_line,
        looked=_looked(found),
        seen=found.seen,
        ended={row.endpoint_id for row in found.rows if not _is_told(row)},
    )


@dataclass(frozen=True, kw_only=True)
class _Found:
    """What lies in our shards, and at the heads of lines.

    Attributes:
        in_line: endpoints that keep an order, and have something due.
        looked_at: endpoints whose lines were looked at.
        heads: of these lines.
        has_more_lines: there are others that take something.
        rows: everything, each delivery once.
    """

    seen: Seen
    in_line: frozenset[UUID]
    looked_at: Collection[UUID]
    heads: Sequence[Due]
    has_more_lines: bool
    rows: Sequence[Due]


def _look(session: Session, leases: Mapping[int, Lease], room: Room, *, at: datetime | None) -> _Found:
    seen = look_along(session, room.stretches or [Stretch(shard=one) for one in sorted(leases)], room, at=at)
    in_line = frozenset(row.endpoint_id for row in seen.rows if row.fifo)
    full = set(room.full)
    lines = [one for one in dict.fromkeys((*in_line, *room.backlogged)) if one not in full]
    # No more than there are slots: whoever is looked at is served, one after the other.
    looked_at = lines[: min(_MOST_LINES, room.slots)]
    heads = [row for row in look_before(session, looked_at, room, at=at) if row.shard in leases]
    return _Found(
        seen=seen,
        in_line=in_line,
        looked_at=looked_at,
        heads=heads,
        has_more_lines=len(lines) > len(looked_at),
        rows=list({row.id: row for row in (*seen.rows, *heads)}.values()) if heads else seen.rows,
    )


def _admit(found: _Found, leases: Mapping[int, Lease], room: Room) -> Admission:
    along = [row for row in found.seen.rows if not row.fifo]
    due = [row for row in found.heads if row.due_in_s <= 0 and row.is_in_turn and row.id not in room.busy]
    admission = Admission(room, since_of=lambda shard: leases[shard].since)
    in_order = in_turns(along, one_each(due)) if due else along
    admission.admit(row for row in in_order if _is_told(row))
    return admission


def _is_told(row: Due) -> bool:
    return bool(row.enabled and not row.deleted)


def _looked(found: _Found) -> Looked:
    waits = {}
    for row in found.heads:
        if row.fifo and row.due_in_s > 0:
            waits[row.endpoint_id] = row.due_in_s
        elif not row.is_in_turn:
            waits[row.endpoint_id] = _ITS_TURN_IN_S
    have = {row.endpoint_id for row in found.heads}
    return Looked(endpoints=found.looked_at, found=have, waits=waits)


def _put_aside(
    session: Session,
    leases: Mapping[int, Lease],
    rows: Sequence[Due],
    sendings: Mapping[UUID, Sending | DeliveryState],
) -> None:
    """Stop what goes to endpoints that are told nothing now, and what became of deliveries unsent."""
    states = {
        row.id: DeliveryState.CANCELLED if row.deleted else DeliveryState.HELD
        for row in rows
        if not _is_told(row)
    } | {one: state for one, state in sendings.items() if isinstance(state, DeliveryState)}
    if states:
        cancelled = [row for row in rows if states.get(row.id) is DeliveryState.CANCELLED]
        held = [row for row in rows if states.get(row.id) is DeliveryState.HELD]
        put_aside(session, leases, cancelled=cancelled, held=held)


def _sendings(
    session: Session, rows: Sequence[Due], *, box: SecretBox, now: datetime
) -> Mapping[UUID, Sending | DeliveryState]:
    """Return what is sent for each delivery, or what becomes of it unsent."""
    webhooks = [row for row in rows if row.topic_id is None]
    others = [row for row in rows if row.topic_id is not None]
    return {
        **load_webhooks(session, webhooks, box=box, at=now),
        **load_for_subscribers(session, others, box=box, at=now),
    }


def _claimed(row: Due, lease: Lease, sending: Sending) -> Claimed:
    is_webhook = row.topic_id is None
    return Claimed(
        id=row.id,
        shard=row.shard,
        token=lease.token,
        endpoint_id=row.endpoint_id,
        message_id=row.message_id,
        sequence=sending.sequence,
        attempts=row.attempts,
        trigger=row.trigger,
        url=row.url,
        timeout_s=row.timeout_s,
        max_in_flight=row.most_at_once,
        sending=sending,
        rate_per_s=row.rate_per_s,
        fifo=row.fifo,
        since=lease.since,
        breaks=row.breaks,
        due_at=row.next_attempt_at,
        health=Health(failing_since=row.failing_since, failed_at=row.failed_at) if is_webhook else None,
        is_question=not is_webhook and row.id != row.endpoint_id,
    )
