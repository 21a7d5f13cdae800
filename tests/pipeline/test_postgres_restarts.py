"""PostgreSQL stops at once, or has no connection left, under load: nothing is lost, nothing done twice.

Guards: processes ask again (`unhindered` of the pump, `Relay.run`, `_ping_what_rested`); the pump keeps
outcomes until they are recorded; a 503 invites the client to come again, and its Idempotency-Key makes that
safe; a run that lost its connection is no failure of its article (`hindrance_of`).
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from publisher.database import connect
from publisher.migrations import migrate
from tests.pipeline.own_servers import OwnPostgres
from tests.pipeline.system import System
from tests.pipeline.under_load import under_load
from tests.receivers import Receivers, Reply

ANSWER_AFTER_S = 1.0
# Longer than any lease.
AWAY_S = 6.0
CROWDED_S = 2.0
WITHIN_S = 10.0
CLIENTS = 2


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[OwnPostgres]:
    """A PostgreSQL of this test alone."""
    postgres = OwnPostgres(tmp_path / "postgres")
    yield postgres
    postgres.stop()


@pytest.fixture
def postgres_url(postgres: OwnPostgres) -> str:
    """Where the system of this test keeps its record."""
    return postgres.url


@pytest.fixture
def engine(postgres_url: str) -> Iterator[Engine]:
    """The way to this test's database."""
    engine = connect(postgres_url, pool_size=10, application_name="publisher tests")
    migrate(engine)
    yield engine
    engine.dispose()


def test_all_goes_on_where_it_stopped(postgres: OwnPostgres, system: System) -> None:
    # Receivers take their time, so that requests are in flight whenever the server stops.
    slow = Receivers(lambda _: Reply(after_s=ANSWER_AFTER_S))
    with slow as receivers, under_load(system, receivers) as load:
        pids = load.pids()
        with load.clients():
            load.eventually(lambda: receivers.count > 10, within_s=40)
            with postgres.away():
                before = len(load.ledger.acknowledged)
                for _ in load.goes_on_for(AWAY_S):
                    pass
                meanwhile = len(load.ledger.acknowledged) - before
        load.settle(within_s=WITHIN_S)

        # Whoever was in the middle of something when it stopped may have been acknowledged.
        assert meanwhile <= CLIENTS
        assert load.ledger.cut_off == 0
        assert {(one.status, one.retry_after) for one in load.ledger.refusals} == {(503, "2")}
        assert load.pids() == pids
        load.compare_ledgers()


def test_all_goes_on_when_others_had_every_connection(postgres: OwnPostgres, system: System) -> None:
    with Receivers() as receivers, under_load(system, receivers) as load:
        pids = load.pids()
        with load.clients():
            load.eventually(lambda: receivers.count > 10, within_s=40)
            with postgres.crowded(out="publisher%"):
                refused = len(load.ledger.refusals)
                for _ in load.goes_on_for(CROWDED_S):
                    pass
                assert len(load.ledger.refusals) > refused
        load.settle(within_s=WITHIN_S)

        assert load.ledger.cut_off == 0
        assert {(one.status, one.retry_after) for one in load.ledger.refusals} == {(503, "2")}
        assert load.pids() == pids
        load.compare_ledgers()
