"""PostgreSQL ends the session of a process that sleeps inside a transaction, whatever it did last."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from publisher.database import connect
from tests.waiting import eventually

_ALIVE = text("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'sleeper%'")
_SOON = text("SET idle_in_transaction_session_timeout = '100ms'")


@pytest.mark.parametrize("rows", [1, 300])
def test_a_session_that_sleeps_in_a_transaction_ends(postgres_url: str, rows: int) -> None:
    watching = connect(postgres_url, pool_size=1)
    engine = connect(postgres_url, pool_size=1, application_name="sleeper")
    with watching.connect().execution_options(isolation_level="AUTOCOMMIT") as watch:
        sleeper = engine.connect()
        sleeper.execute(_SOON)

        sleeper.execute(text("SELECT pg_advisory_xact_lock(:key)"), [{"key": key} for key in range(rows)])
        eventually(lambda: watch.scalar(_ALIVE) == 0, within_s=5)

        with pytest.raises(DBAPIError):
            sleeper.execute(_SOON)
        sleeper.invalidate()
    engine.dispose()
    watching.dispose()
