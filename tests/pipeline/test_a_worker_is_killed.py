"""A worker is killed (-9) in the middle of a batch: nothing half-done is visible, and the step runs again.

Guards: `take_back` (the relay makes lost work due again) and the single transaction of `Batch.write`.
"""

from sqlalchemy import select

from publisher.events import EventType
from publisher.schema import EventTaskRow
from tests.pipeline.system import System
from tests.waiting import eventually


def test_the_work_of_a_killed_worker_runs_again_and_shows_once(system: System) -> None:
    ids = [system.submit(number) for number in range(30)]
    system.start("relay")
    # A lock on one article holds the first transaction of results up: the worker is in the middle of a batch.
    with system.locked(ids[-1]):
        worker = system.start("worker", "--concurrency", "1")
        eventually(lambda: _begun(system, ids[-1]), within_s=20)
        together = system.in_one_message_with(ids[-1])
        system.kill(worker)
        half_done = {system.statuses()[article] for article in together}

    system.start("worker", "--concurrency", "1")
    system.wait_until_done(within_s=20)

    assert len(together) > 1
    assert half_done == {"received"}
    assert set(system.statuses().values()) == {"published"}
    assert system.events(EventType.ARTICLE_ENRICHED) == 30
    assert system.events(EventType.ARTICLE_PUBLISHED) == 30


def _begun(system: System, article: object) -> bool:
    with system.sessions() as session:
        started = select(EventTaskRow.started_at).where(EventTaskRow.subject == article)
        return session.scalar(started) is not None
