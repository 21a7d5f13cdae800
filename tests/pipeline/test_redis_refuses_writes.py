"""Redis is full and refuses writes: articles are accepted and webhooks sent, and the rest goes on after.

Guards: nothing between client and record, or between record and receiver, asks Redis; the pump starts before
its worker connects, and a worker that is refused asks again (`broker_channel_error_retry`); the relay goes on
after it was refused (`Relay.run`).
"""

import pytest

from tests.pipeline.own_servers import OwnRedis
from tests.pipeline.system import System
from tests.pipeline.under_load import UnderLoad, under_load
from tests.receivers import Receivers

FULL_S = 8.0
WITHIN_S = 15.0


@pytest.fixture
def redis_url(own_redis: OwnRedis) -> str:
    """Which Redis the systems of this file use."""
    return own_redis.url


def test_a_full_redis_holds_up_publishing_only(own_redis: OwnRedis, system: System) -> None:
    with Receivers() as receivers, under_load(system, receivers, endpoints=1) as load:
        with load.clients():
            load.eventually(lambda: len(load.arrived()) >= 4, within_s=40)
        load.settle(within_s=10)
        early = len(load.ledger.acknowledged)

        with own_redis.full(), load.clients(pause_s=0.5):
            # One that runs has all that it needs; one that starts now wants to write.
            system.kill(load.processes["sender"].child)
            replayed = load.replay_to_a_new_endpoint()
            for _ in load.goes_on_for(FULL_S):
                assert load.api.get("/readyz").status_code == 200
            accepted = len(load.ledger.acknowledged) - early
            load.eventually(lambda: _arrived_at(load, "/1") == replayed, within_s=20)
        load.settle(within_s=WITHIN_S)

        assert (load.ledger.refusals, load.ledger.cut_off) == ([], 0)
        assert accepted > FULL_S
        assert replayed == early
        load.compare_ledgers()


def _arrived_at(load: UnderLoad, path: str) -> int:
    return sum(one == path for one, _ in load.arrived())
