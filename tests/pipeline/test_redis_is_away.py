"""Redis is away for a minute, or stalls: articles are accepted and webhooks sent, and the rest goes on after.

Guards: nothing between client and record, or between record and receiver, asks Redis; the relay and the
worker ask again every two seconds at most (`Relay.run`, `SteadyConnection`); what a stalled Redis took and
nobody began is sent again under a new token, and the old one is void (`take_back`, `begin`); a worker never
waits for Redis while it should hear its processes (`TakenForGood`, tests/stages/test_broker.py).
"""

import pytest

from tests.pipeline.own_servers import OwnRedis
from tests.pipeline.system import System
from tests.pipeline.under_load import under_load
from tests.receivers import Receivers

MINUTE_S = 60.0
# Longer than anybody waits for an answer of Redis.
STALL_S = 8.0
# The pause between two tries, and what it takes to try.
LISTENS_AGAIN_S, SETTLES_S = 5.0, 10.0


@pytest.fixture
def redis_url(own_redis: OwnRedis) -> str:
    """Which Redis the systems of this file use."""
    return own_redis.url


@pytest.mark.lasts_a_minute
def test_a_minute_without_redis_costs_a_minute_of_publishing(own_redis: OwnRedis, system: System) -> None:
    with Receivers() as receivers, under_load(system, receivers, endpoints=1) as load:
        with load.clients():
            load.eventually(lambda: len(load.arrived()) >= 4, within_s=40)
        load.settle(within_s=10)
        early = len(load.ledger.acknowledged)

        with own_redis.away(), load.clients(count=1, pause_s=1.0):
            replayed = load.replay_to_a_new_endpoint()
            for _ in load.goes_on_for(MINUTE_S):
                assert load.api.get("/readyz").status_code == 200
            accepted = len(load.ledger.acknowledged) - early
            arrived = sum(path == "/1" for path, _ in load.arrived())
        load.eventually(lambda: own_redis.listeners() == 2, within_s=LISTENS_AGAIN_S)
        load.settle(within_s=SETTLES_S)

        assert (load.ledger.refusals, load.ledger.cut_off) == ([], 0)
        assert accepted > MINUTE_S / 2
        assert replayed == arrived == early
        load.compare_ledgers()


def test_a_stall_costs_time_only(own_redis: OwnRedis, system: System) -> None:
    with Receivers() as receivers, under_load(system, receivers) as load:
        with load.clients(pause_s=0.5):
            load.eventually(lambda: len(load.arrived()) >= 10, within_s=40)
            with own_redis.stalled():
                for _ in load.goes_on_for(STALL_S):
                    pass
        load.settle(within_s=LISTENS_AGAIN_S + SETTLES_S)

        assert (load.ledger.refusals, load.ledger.cut_off) == ([], 0)
        load.compare_ledgers()
