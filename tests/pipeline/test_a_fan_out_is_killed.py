"""A worker is killed (-9) half-way through a fan-out: it goes on there, and owes each endpoint once.

Guards: each start writes a slice and where it ended in one transaction (`store_deliveries`, `Postponed`); the
message and each delivery are unique.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy import Engine, func, select, text

from publisher.notify.fan_out.audience import SLICE
from publisher.schema import DeliveryRow, EndpointRow, MessageRow
from publisher.server_urls import for_libpq
from tests.pipeline.system import STARTS_WITHIN_S, System
from tests.waiting import eventually

ENDPOINTS = SLICE + 2_000
_GATE = 42
# The first slice takes longer than a start may; whoever writes the next one waits at the gate.
_WATCH = f"""
CREATE SCHEMA watched;
CREATE TABLE watched.slice (number serial);
CREATE FUNCTION watched.slow_down() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO watched.slice DEFAULT VALUES;
    IF EXISTS (SELECT FROM delivery) THEN
        PERFORM pg_advisory_xact_lock_shared({_GATE});
    ELSE
        PERFORM pg_sleep(0.6);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER watched BEFORE INSERT ON delivery EXECUTE FUNCTION watched.slow_down()
"""
_AT_THE_GATE = text(
    "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)"
    " WHERE NOT granted AND locktype = 'advisory' AND application_name LIKE 'publisher worker%'"
)


def test_a_fan_out_that_was_killed_half_way_goes_on_and_owes_each_endpoint_once(
    system: System, engine: Engine, postgres_url: str
) -> None:
    _register(system)
    article = system.submit(1)
    with _slices_watched(system), psycopg.connect(for_libpq(postgres_url), autocommit=True) as gate:
        gate.execute("SELECT pg_advisory_lock(%s)", (_GATE,))
        system.start("relay")
        worker = system.start("worker", "--concurrency", "1")
        eventually(lambda: _count(system, _AT_THE_GATE), within_s=STARTS_WITHIN_S)
        before = system.deliveries("pending")

        system.kill(worker)
        gate.execute("SELECT pg_advisory_unlock(%s)", (_GATE,))
        system.start("worker", "--concurrency", "1")
        eventually(lambda: system.steps("fan_out") == 1, within_s=STARTS_WITHIN_S)

        assert before == SLICE
        # The first one was not written again.
        assert _count(system, text("SELECT count(*) FROM watched.slice")) == 2
    owed = select(func.count(DeliveryRow.endpoint_id.distinct())).where(DeliveryRow.article_id == article)
    assert system.deliveries("pending") == _count(system, owed) == ENDPOINTS
    assert _count(system, select(func.count()).select_from(MessageRow)) == 1


def _register(system: System) -> None:
    """Register an endpoint, and as many more that differ in nothing but their ids."""
    system.subscribe()
    names = [column.name for column in EndpointRow.__table__.columns if column.name != "id"]
    columns = ", ".join(names)
    with system.sessions.begin() as session:
        session.execute(
            text(
                f"INSERT INTO endpoint (id, {columns}) SELECT gen_random_uuid(), {columns}"
                " FROM endpoint, generate_series(2, :count)"
            ),
            {"count": ENDPOINTS},
        )


@contextmanager
def _slices_watched(system: System) -> Iterator[None]:
    with system.sessions.begin() as session:
        session.execute(text(_WATCH))
    try:
        yield
    finally:
        with system.sessions.begin() as session:
            session.execute(text("DROP SCHEMA watched CASCADE"))


def _count(system: System, counting: object) -> int:
    with system.sessions() as session:
        return session.scalar(counting) or 0  # type: ignore[call-overload]
