"""Who sends to which endpoints: every shard has one owner at a time, and a dead one's go to the living."""

import time
from collections.abc import Collection
from datetime import timedelta
from math import ceil
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from publisher.database import Sessions
from publisher.ids import new_id
from publisher.notify.endpoints.store import SHARDS
from publisher.notify.shards.holdings import NOTHING, Holdings, Lease
from publisher.notify.shards.leases import LEASE, beat, leave, standing
from publisher.notify.shards.sharing import Seat, Share, share_out
from publisher.schema import SenderRow, ShardLeaseRow

A, B, C = UUID(int=1), UUID(int=2), UUID(int=3)
OWNERS = st.lists(st.sampled_from([A, B, C, None]), min_size=SHARDS, max_size=SHARDS)


def seats(owners: Collection[UUID | None]) -> list[Seat]:
    return [Seat(shard=shard, holder=owner, free=owner is None) for shard, owner in enumerate(owners)]


def apply(owners: list[UUID | None], me: UUID, share: Share) -> list[UUID | None]:
    """Return the owners after a sender did what was decided."""
    after = [None if shard in share.give_back else owner for shard, owner in enumerate(owners)]
    free = [shard for shard, owner in enumerate(owners) if owner is None][: share.take]
    return [me if shard in free else owner for shard, owner in enumerate(after)]


def alive_at(sessions: Sessions, me: UUID, busy: Collection[int] = ()) -> Holdings:
    with sessions.begin() as session:
        return beat(session, me, in_flight=0, busy=busy, started=time.monotonic())


def run_out(sessions: Sessions, me: UUID) -> None:
    """Let a sender have been silent for as long as a lease."""
    with sessions.begin() as session:
        past = func.now() - LEASE - timedelta(seconds=1)
        session.execute(update(ShardLeaseRow).where(ShardLeaseRow.holder == me).values(until=past))
        session.execute(update(SenderRow).where(SenderRow.id == me).values(beat_at=past))


def senders(sessions: Sessions) -> list[UUID]:
    with sessions() as session:
        return list(session.scalars(select(SenderRow.id)))


@given(OWNERS, st.frozensets(st.integers(0, SHARDS - 1)), st.integers(1, 100))
def test_a_sender_never_takes_more_than_its_share_and_gives_back_nothing_that_is_at_work(
    owners: list[UUID | None], busy: frozenset[int], alive: int
) -> None:
    mine = {shard for shard, owner in enumerate(owners) if owner == A}

    share = share_out(seats(owners), me=A, alive=alive, busy=busy)

    assert share.keep | share.give_back == mine
    assert share.drain <= share.keep
    assert not share.give_back & busy
    assert share.drain <= busy
    assert len(share.keep - share.drain) + share.take <= ceil(SHARDS / alive)
    assert share.take <= owners.count(None)


@given(OWNERS)
def test_senders_that_are_idle_soon_share_all_shards_evenly(owners: list[UUID | None]) -> None:
    for _ in range(3):
        for me in (A, B, C):
            owners = apply(owners, me, share_out(seats(owners), me=me, alive=3, busy=()))

    held = [owners.count(me) for me in (A, B, C)]
    assert sum(held) == SHARDS
    assert max(held) <= ceil(SHARDS / 3)


def test_a_lease_ends_for_its_holder_before_it_ends_in_the_record() -> None:
    lease = Lease(token=1, ends_at=100.0)

    assert lease.holds(99.0)
    assert not lease.holds(99.6)
    assert not lease.holds(100.0)


def test_a_sender_alone_holds_every_shard(database: Sessions) -> None:
    holdings = alive_at(database, A)

    assert set(holdings.leases) == set(range(SHARDS))
    assert holdings.draining == frozenset()


def test_a_second_sender_gets_half_as_soon_as_the_first_has_noticed(database: Sessions) -> None:
    alive_at(database, A)
    nothing = alive_at(database, B)

    first, second = alive_at(database, A), alive_at(database, B)

    assert nothing.leases == {}
    assert (len(first.leases), len(second.leases)) == (32, 32)
    assert not set(first.leases) & set(second.leases)


def test_a_surplus_shard_at_work_is_drained_before_it_is_given_back(database: Sessions) -> None:
    alive_at(database, A)
    alive_at(database, B)
    at_work = range(40)

    draining = alive_at(database, A, busy=at_work)
    done = alive_at(database, A)

    assert len(draining.leases) == 40
    assert len(draining.draining) == 8
    assert len(draining.claimable) == 32
    assert (len(done.leases), done.draining) == (32, frozenset())


def test_the_shards_of_a_dead_sender_go_to_the_living_under_new_tokens(database: Sessions) -> None:
    before = alive_at(database, A)
    alive_at(database, B)
    run_out(database, A)

    after = alive_at(database, B)

    assert set(after.leases) == set(range(SHARDS))
    assert all(after.leases[shard].token > before.leases[shard].token for shard in range(SHARDS))


def test_a_sender_that_slept_keeps_what_nobody_took_meanwhile(database: Sessions) -> None:
    before = alive_at(database, A)
    run_out(database, A)

    after = alive_at(database, A)

    assert {shard: one.token for shard, one in after.leases.items()} == {
        shard: one.token for shard, one in before.leases.items()
    }


def test_a_token_stands_until_another_sender_has_the_shard(database: Sessions) -> None:
    tokens = {shard: lease.token for shard, lease in alive_at(database, A).leases.items()}
    with database.begin() as session:
        while_ours = standing(session, tokens)
    run_out(database, A)
    alive_at(database, B)

    with database.begin() as session:
        afterwards = standing(session, tokens)

    assert while_ours == set(range(SHARDS))
    assert afterwards == frozenset()


def test_a_sender_that_leaves_gives_everything_back_at_once(database: Sessions) -> None:
    alive_at(database, A)
    with database.begin() as session:
        left = leave(session, A, busy=(), started=0.0)

    holdings = alive_at(database, B)

    assert len(holdings.leases) == SHARDS
    assert left == NOTHING


def test_a_sender_that_leaves_keeps_busy_shards_until_they_are_idle(database: Sessions) -> None:
    before = alive_at(database, A).leases
    with database.begin() as session:
        left = leave(session, A, busy={3, 4}, started=0.0)

    holdings = alive_at(database, B)
    with database.begin() as session:
        leave(session, A, busy={4}, started=0.0)
    afterwards = alive_at(database, B)

    assert {shard: lease.token for shard, lease in left.leases.items()} == {
        shard: before[shard].token for shard in (3, 4)
    }
    assert left.claimable == {}
    assert set(holdings.leases) == set(range(SHARDS)) - {3, 4}
    assert set(afterwards.leases) == set(range(SHARDS)) - {4}


def test_a_shard_that_is_flushed_to_at_this_moment_is_not_taken_over(database: Sessions) -> None:
    tokens = {shard: lease.token for shard, lease in alive_at(database, A).leases.items()}
    run_out(database, A)
    with database.begin() as flushing:
        standing(flushing, {7: tokens[7]})

        holdings = alive_at(database, B)

    assert set(holdings.leases) == set(range(SHARDS)) - {7}


def test_senders_that_are_long_gone_are_forgotten(database: Sessions) -> None:
    dead = new_id()
    alive_at(database, dead)
    with database.begin() as session:
        session.execute(update(SenderRow).values(beat_at=func.now() - timedelta(minutes=2)))

    alive_at(database, A)

    assert senders(database) == [A]


def test_what_is_free_is_never_held_by_two(session: Session) -> None:
    held = [beat(session, me, in_flight=0, busy=(), started=0.0) for me in (A, B, C)]

    shards = [shard for holdings in held for shard in holdings.leases]
    assert len(shards) == len(set(shards))
