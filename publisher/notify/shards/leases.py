"""The leases of shards in the record: renewed, taken, given back, and shown with every flush."""

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Select,
    SmallInteger,
    any_,
    bindparam,
    delete,
    func,
    literal,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.orm import Session

from publisher.notify.shards.holdings import NOTHING, Holdings, Lease
from publisher.notify.shards.sharing import Seat, share_out
from publisher.schema import SenderRow, ShardLeaseRow

LEASE = timedelta(seconds=5)
BEAT_S = 1.0
"""How often a sender says that it is alive, and renews its leases."""

_FORGOTTEN = timedelta(minutes=1)
# One question, since looks wait for the answer: that this sender is alive, that its leases go on, and how all
# seats stand. Whoever took one of ours in this moment has it: `renewed` lacks it.
_BEAT = text("""
WITH alive AS (
    INSERT INTO sender (id, beat_at, in_flight) VALUES (:me, now(), :in_flight)
    ON CONFLICT (id) DO UPDATE SET beat_at = excluded.beat_at, in_flight = excluded.in_flight
), forgotten AS (
    DELETE FROM sender WHERE id IN (
        SELECT id FROM sender WHERE id <> :me AND beat_at < now() - :forgotten FOR UPDATE SKIP LOCKED)
), mine AS (
    SELECT shard FROM shard_lease WHERE holder = :me ORDER BY shard FOR NO KEY UPDATE
), renewed AS (
    UPDATE shard_lease SET until = now() + :lease FROM mine WHERE shard_lease.shard = mine.shard
    RETURNING shard_lease.shard, shard_lease.token
)
SELECT shard_lease.shard, shard_lease.holder, renewed.token,
       shard_lease.holder IS NULL OR shard_lease.until <= now() AS free,
       (SELECT count(*) FROM sender WHERE id <> :me AND beat_at > now() - :lease) AS others
FROM shard_lease LEFT JOIN renewed USING (shard)
""")
# Shard and token: a sender that slept must not lock what another one holds by now. The lock keeps others from
# taking over, and us not from renewing meanwhile.
_STANDING = text("""
SELECT shard_lease.shard
FROM shard_lease JOIN unnest(:shards, :tokens) AS mine(shard, token) USING (shard, token)
ORDER BY shard_lease.shard FOR KEY SHARE OF shard_lease
""").bindparams(bindparam("shards", type_=ARRAY(SmallInteger)), bindparam("tokens", type_=ARRAY(BigInteger)))


def beat(
    session: Session,
    me: UUID,
    *,
    in_flight: int,
    busy: Collection[int],
    started: float,
    before: Holdings = NOTHING,
) -> Holdings:
    """Say that this sender is alive, renew and share out the leases; return what it holds now.

    Args:
        busy: shards with work in flight, or with outcomes that are not recorded yet.
        started: the monotonic clock before the transaction began.
        before: what it held until now.
    """
    told = {"me": me, "in_flight": in_flight, "lease": LEASE, "forgotten": _FORGOTTEN}
    rows = session.execute(_BEAT, told).all()
    seats = [Seat(shard=row.shard, holder=row.holder, free=row.free) for row in rows]
    share = share_out(seats, me=me, alive=1 + rows[0].others, busy=busy)
    tokens = {row.shard: row.token for row in rows if row.token is not None and row.shard in share.keep}
    if share.give_back:
        _give_back(session, me, share.give_back)
    if share.take:
        tokens |= _take(session, me, share.take)
    return Holdings(leases=_leases(tokens, started, before), draining=share.drain & tokens.keys())


def leave(
    session: Session, me: UUID, *, busy: Collection[int], started: float, before: Holdings = NOTHING
) -> Holdings:
    """Give back what is not busy, and be counted no more: this sender ends; return what it has to finish.

    Args:
        busy: shards with work in flight, or with outcomes that are not recorded yet.
        started: the monotonic clock before the transaction began.
        before: what it held until now.
    """
    session.execute(delete(SenderRow).where(SenderRow.id == me))
    mine = session.scalars(select(ShardLeaseRow.shard).where(ShardLeaseRow.holder == me)).all()
    _give_back(session, me, frozenset(mine) - frozenset(busy))
    tokens = _renew(session, me, frozenset(mine) & frozenset(busy))
    return Holdings(leases=_leases(tokens, started, before), draining=frozenset(tokens))


def standing(session: Session, tokens: Mapping[int, int]) -> frozenset[int]:
    """Return the shards that still carry these tokens; nobody takes them over before this transaction ends.

    Args:
        tokens: by shard, as the sender knows them. One that slept past its lease finds them gone.
    """
    rows = session.execute(_STANDING, {"shards": list(tokens), "tokens": list(tokens.values())})
    return frozenset(row.shard for row in rows)


def _leases(tokens: Mapping[int, int], started: float, before: Holdings) -> dict[int, Lease]:
    ends_at = started + LEASE.total_seconds()
    held = {shard: one.since for shard, one in before.leases.items() if tokens.get(shard) == one.token}
    return {
        shard: Lease(token=token, ends_at=ends_at, since=held.get(shard, started))
        for shard, token in tokens.items()
    }


def _renew(session: Session, me: UUID, shards: Collection[int]) -> dict[int, int]:
    return _set(session, _mine(me, shards), {"until": func.now() + LEASE}, takes_over=False)


def _give_back(session: Session, me: UUID, shards: Collection[int]) -> None:
    _set(session, _mine(me, shards), {"holder": None, "until": None})


def _mine(me: UUID, shards: Collection[int]) -> Select[int]:
    # One parameter, so that it is the same statement for any number of them.
    chosen = ShardLeaseRow.shard == any_(literal(list(shards), ARRAY(SmallInteger)))
    return select(ShardLeaseRow.shard).where(chosen, ShardLeaseRow.holder == me)


def _take(session: Session, me: UUID, count: int) -> dict[int, int]:
    """Take free shards; what another sender is taking at this moment, or still flushes to, is left to it."""
    is_free = or_(ShardLeaseRow.holder.is_(None), ShardLeaseRow.until <= func.now())
    free = select(ShardLeaseRow.shard).where(is_free).limit(count)
    values = {"holder": me, "token": ShardLeaseRow.token + 1, "until": func.now() + LEASE}
    return _set(session, free, values, skip_locked=True)


def _set(
    session: Session,
    chosen: Select[int],
    values: Mapping[str, Any],
    *,
    takes_over: bool = True,
    skip_locked: bool = False,
) -> dict[int, int]:
    """Change leases that are locked in their order first; return their tokens.

    Args:
        takes_over: who owns them changes, so whoever flushes is waited for, or skipped.
    """
    locked = (
        chosen.order_by(ShardLeaseRow.shard)
        .with_for_update(key_share=not takes_over, skip_locked=skip_locked)
        .cte("locked")
    )
    rows = session.execute(
        update(ShardLeaseRow)
        .where(ShardLeaseRow.shard.in_(select(locked.c.shard)))
        .values(**values)
        .returning(ShardLeaseRow.shard, ShardLeaseRow.token)
    )
    return {row.shard: row.token for row in rows}
