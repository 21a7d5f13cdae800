"""Take deliveries that are due, with everything that sending them needs."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import zip_longest
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.orm import Session

from publisher.notify.admission import Admission
from publisher.notify.aside import put_aside
from publisher.notify.health import Health
from publisher.notify.looks import Seen, look_along, look_before
from publisher.notify.outcome import DeliveryState
from publisher.notify.room import Room
from publisher.notify.secrets import SecretBox
from publisher.notify.sending import Sending
from publisher.notify.shards import Lease
from publisher.notify.sweep import Stretch
from publisher.notify.webhook import load_webhooks
from publisher.notify.websub.loading import load_for_subscribers

# An older message is about to become a delivery: look again soon.
_ITS_TURN_IN_S = 0.05
# An index range each; the rest has its turn at the next look.
_MOST_LINES = 250


@dataclass(frozen=True, kw_only=True, slots=True)
class Claimed:
    """A delivery that this sender is about to try; no row says so, the lease of its shard does.

    Attributes:
        token: of that lease.
        sequence: of what is sent: the revision's, or the generation of the feed's document.
        attempts: made before this one.
        timeout_s: None: the default.
        trigger: why this attempt is made: `auto`, `manual` or `replay`.
        max_in_flight: how many requests at a time the endpoint takes; 1 if it keeps an order.
        since: when the shard became ours, on the monotonic clock.
        due_at: when it was to be sent; whoever lets it come due again meanwhile changes that.
        breaks: how often the endpoint's circuit opened without closing in between; with any, this is a probe.
        health: None: it is a subscriber of feeds, who is never given up, since its lease ends by itself.
        is_question: a subscriber is asked what it wants, which says nothing of what it takes.
    """

    id: UUID
    shard: int
    token: int
    endpoint_id: UUID
    message_id: UUID
    sequence: int | None
    attempts: int
    trigger: str
    url: str
    timeout_s: float | None
    max_in_flight: int
    sending: Sending
    rate_per_s: float | None = None
    fifo: bool = False
    since: float = 0.0
    breaks: int = 0
    due_at: datetime | None = None
    health: Health | None = None
    is_question: bool = False


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
    seen = look_along(session, room.stretches or [Stretch(shard=one) for one in sorted(leases)], room, at=at)
    in_line = {row.endpoint_id for row in seen.rows if row.fifo}
    open_lines = _open_lines(room, in_line)
    # No more than there are slots: whoever is looked at is served, one after the other.
    looked_at = open_lines[: min(_MOST_LINES, room.slots)]
    first = [row for row in look_before(session, looked_at, room, at=at) if row.shard in leases]
    rows = list({row.id: row for row in (*seen.rows, *first)}.values())
    admission = Admission(room, since_of=lambda shard: leases[shard].since)
    busy = set(room.busy)
    due = _one_each([row for row in first if row.due_in_s <= 0 and row.is_in_turn and row.id not in busy])
    admission.admit(_enabled(_in_turns([row for row in seen.rows if not row.fifo], due)))
    found = {**_untold(rows), **_sendings(session, admission.admitted, box=box, now=now)}
    put_aside(
        session,
        leases,
        cancelled=[row for row in rows if found.get(row.id) is DeliveryState.CANCELLED],
        held=[row for row in rows if found.get(row.id) is DeliveryState.HELD],
    )
    return Claim(
        deliveries=[
            _claimed(row, leases[row.shard], sending)
            for row in admission.admitted
            if (sending := found.get(row.id)) is not None and not isinstance(sending, DeliveryState)
        ],
        more=bool(seen.cut) or admission.is_over or len(open_lines) > len(looked_at),
        full=admission.full,
        backlogged=admission.backlogged | in_line,
        looked=_looked(looked_at, first),
        seen=seen,
        ended={row.endpoint_id for row in rows if row.deleted or not row.enabled},
    )


def _open_lines(room: Room, in_line: Collection[UUID]) -> list[UUID]:
    """Return the endpoints to look at, each once: they have a backlog or an order, and take something."""
    full = set(room.full)
    return [one for one in dict.fromkeys((*in_line, *room.backlogged)) if one not in full]


def _in_turns(along: Iterable[Row[Any]], first: Iterable[Row[Any]]) -> Iterator[Row[Any]]:
    """Let those with a backlog and those without one take turns, each delivery once."""
    seen = set()
    for row in (one for pair in zip_longest(along, first) for one in pair if one is not None):
        if row.id not in seen:
            seen.add(row.id)
            yield row


def _one_each(rows: Iterable[Row[Any]]) -> list[Row[Any]]:
    """Return the first row of every endpoint, then the second of every endpoint, and so on."""
    place: Counter[UUID] = Counter()
    placed = []
    for row in rows:
        placed.append((place[row.endpoint_id], row))
        place[row.endpoint_id] += 1
    return [row for _, row in sorted(placed, key=lambda pair: pair[0])]


def _enabled(rows: Iterable[Row[Any]]) -> Iterator[Row[Any]]:
    return (row for row in rows if row.enabled and not row.deleted)


def _looked(endpoints: Collection[UUID], first: Iterable[Row[Any]]) -> Looked:
    found, waits = set(), {}
    for row in first:
        found.add(row.endpoint_id)
        if row.fifo and row.due_in_s > 0:
            waits[row.endpoint_id] = row.due_in_s
        elif not row.is_in_turn:
            waits[row.endpoint_id] = _ITS_TURN_IN_S
    return Looked(endpoints=endpoints, found=found, waits=waits)


def _untold(rows: Sequence[Row[Any]]) -> dict[UUID, DeliveryState]:
    """Return what becomes of deliveries to endpoints that are told nothing now."""
    return {
        row.id: DeliveryState.CANCELLED if row.deleted else DeliveryState.HELD
        for row in rows
        if row.deleted or not row.enabled
    }


def _sendings(
    session: Session, rows: Sequence[Row[Any]], *, box: SecretBox, now: datetime
) -> Mapping[UUID, Sending | DeliveryState]:
    """Return what is sent for each delivery, or what becomes of it unsent."""
    webhooks = [row for row in rows if row.topic_id is None]
    others = [row for row in rows if row.topic_id is not None]
    return {
        **load_webhooks(session, webhooks, box=box, at=now),
        **load_for_subscribers(session, others, box=box, at=now),
    }


def _claimed(row: Row[Any], lease: Lease, sending: Sending) -> Claimed:
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
