"""A worker is killed (-9), as a whole or one process of its pool, anywhere in its work: the step runs again.

Guards: `take_back` (the relay makes lost work due again), and the single transaction of `Batch.write`.
"""

from pathlib import Path
from signal import SIGKILL

import pytest

from tests.pipeline.effects import assert_nothing_is_half_done, assert_seen_once
from tests.pipeline.harmed import Harm, Point, Victim
from tests.pipeline.system import STARTS_WITHIN_S, System
from tests.waiting import eventually

ARTICLES = 20
LEASES_RUN_OUT_BY_THEMSELVES = {(Victim.GROUP, Point.COMPUTING), (Victim.ITSELF, Point.BEFORE_BEGIN)}


@pytest.mark.parametrize(
    ("victim", "point", "task"),
    [
        (Victim.GROUP, Point.BEFORE_BEGIN, "enrich"),
        (Victim.GROUP, Point.COMPUTING, "feeds"),
        (Victim.GROUP, Point.BEFORE_COMMIT, "publish"),
        (Victim.GROUP, Point.AFTER_COMMIT, "fan_out"),
        (Victim.ITSELF, Point.BEFORE_BEGIN, "fan_out"),
        (Victim.ITSELF, Point.COMPUTING, "enrich"),
        (Victim.ITSELF, Point.BEFORE_COMMIT, "feeds"),
        (Victim.ITSELF, Point.AFTER_COMMIT, "publish"),
    ],
    ids=str,
)
def test_the_work_of_a_killed_process_runs_again_and_shows_once(
    system: System, tmp_path: Path, victim: Victim, point: Point, task: str
) -> None:
    harm = Harm(point=point, task=task, signal=SIGKILL, victim=victim, note=tmp_path / "harm")
    articles = [system.submit(number) for number in range(ARTICLES)]
    system.subscribe()
    system.start("relay")
    worker = system.start_harmed(harm, "worker", "--concurrency", "1")

    eventually(lambda: harm.pid, within_s=STARTS_WITHIN_S)
    if victim is Victim.GROUP:
        eventually(lambda: not worker.running)
        assert_nothing_is_half_done(system)
        system.start("worker", "--concurrency", "1")
    if (victim, point) not in LEASES_RUN_OUT_BY_THEMSELVES:
        system.expire_leases()
    system.wait_until_it_goes_on()
    system.wait_until_done(within_s=10)

    assert worker.running is (victim is not Victim.GROUP)
    assert_seen_once(system, articles, endpoints=1)
