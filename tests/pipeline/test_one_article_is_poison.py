"""One article of a batch cannot be worked on: it is stuck alone, visible, and goes through after the fix.

Guard: `Batch` lets each obligation fail alone, at loading, computing and writing.
"""

from sqlalchemy import func, update

from publisher.outbox.watch import replay, stuck
from publisher.schema import EventTaskRow, RevisionRow
from tests.pipeline.system import System
from tests.waiting import eventually

POISON = {"authors": [{"nonsense": 1}]}


def test_its_neighbours_go_through_and_it_is_stuck_alone(system: System) -> None:
    ids = [system.submit(number) for number in range(64)]
    poisoned = ids[31]
    _store_details(system, poisoned, POISON)
    system.start("relay")
    system.start("worker", "--concurrency", "1")

    eventually(lambda: list(system.statuses().values()).count("published") == 63, within_s=20)
    eventually(lambda: _stuck_after_skipping_the_pauses(system), within_s=20)

    with system.sessions() as session:
        (one,) = stuck(session)
    assert (one.subject, one.task, one.failures) == (poisoned, "publish", 6)
    assert "nonsense" in (one.last_error or "")
    assert system.statuses()[poisoned] == "enriched"

    _store_details(system, poisoned, {})
    with system.sessions.begin() as session:
        assert replay(session, [one.event_id]) == 1
    system.wait_until_done()
    assert set(system.statuses().values()) == {"published"}


def _store_details(system: System, article: object, details: dict[str, object]) -> None:
    with system.sessions.begin() as session:
        session.execute(update(RevisionRow).where(RevisionRow.article_id == article).values(details=details))


def _stuck_after_skipping_the_pauses(system: System) -> bool:
    with system.sessions.begin() as session:
        failed = (EventTaskRow.failures > 0) & EventTaskRow.token.is_(None) & ~EventTaskRow.stuck
        session.execute(update(EventTaskRow).where(failed).values(due_at=func.now()))
        return bool(stuck(session))
