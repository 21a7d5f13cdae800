"""A worker is killed in the middle of a long replay: what is left is sent by another, and nothing twice.

Guards: the cursor that `store_replays` leaves with each slice, in the transaction of its deliveries.
"""

from datetime import timedelta
from pathlib import Path
from signal import SIGKILL
from uuid import UUID

import pytest
from sqlalchemy import func, select, text

from publisher.notify.replaying.past import Past, Window
from publisher.notify.replaying.replay import SLICE, replay
from publisher.schema import DeliveryRow
from tests.pipeline.harmed import Harm, Point, Victim
from tests.pipeline.system import STARTS_WITHIN_S, System
from tests.waiting import eventually

MANY = 12_000
_MESSAGES = text("""
INSERT INTO message (id, time, type, article_id, sequence, body)
SELECT gen_random_uuid(), now(), 'article.published', gen_random_uuid(), 1, '{}'
FROM generate_series(1, :count)
""")
_DELIVERIES = text("""
INSERT INTO delivery (message_id, message_time, endpoint_id, article_id, sequence, shard, state)
SELECT message.id, time, endpoint.id, article_id, 1, shard, (ARRAY['failed', 'held'])[number % 3]
FROM (SELECT *, row_number() OVER (ORDER BY id) AS number FROM message) AS message, endpoint
WHERE number % 3 > 0
""")


@pytest.mark.parametrize("point", [Point.BEFORE_COMMIT, Point.AFTER_COMMIT], ids=str)
def test_a_replay_whose_worker_is_killed_goes_on_where_it_stopped(
    system: System, tmp_path: Path, point: Point
) -> None:
    harm = Harm(point=point, task="replay", signal=SIGKILL, victim=Victim.GROUP, note=tmp_path / "harm")
    endpoint = system.subscribe()
    with system.sessions.begin() as session:
        session.execute(_MESSAGES, {"count": MANY})
        session.execute(_DELIVERIES)
    with system.sessions.begin() as session:
        now = session.execute(select(func.now())).scalar_one()
        # Random ids lie anywhere: as if the past had no beginning.
        replayed = replay(session, endpoint, Past(window=Window(since=now - timedelta(days=100_000))))
    system.start("relay")
    worker = system.start_harmed(harm, "worker", "--concurrency", "1")

    eventually(lambda: harm.pid, within_s=STARTS_WITHIN_S)
    eventually(lambda: not worker.running)
    interrupted = system.deliveries("pending")
    system.start("worker", "--concurrency", "1")
    system.expire_leases()
    system.wait_until_done(within_s=STARTS_WITHIN_S)

    assert interrupted == (SLICE if point is Point.BEFORE_COMMIT else 2 * SLICE)
    assert replayed == MANY
    assert system.deliveries("pending") == MANY
    assert due_times(system, endpoint) == MANY
    assert system.steps("replay") == 1


def due_times(system: System, endpoint: UUID) -> int:
    """Return at how many different instants deliveries come due: a slice done twice would move them."""
    with system.sessions() as session:
        counted = select(func.count(DeliveryRow.next_attempt_at.distinct())).where(
            DeliveryRow.endpoint_id == endpoint
        )
        return session.scalar(counted) or 0
