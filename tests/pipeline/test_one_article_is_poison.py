"""Articles of a batch cannot be worked on: each is stuck alone, visible, and goes through after the fix.

Guards: `Batch` lets each obligation fail alone, at loading, computing and writing; what was begun and did not
come back travels alone (`_Due.begun_before`); the hard time limit of tasks; `limit_memory`.
"""

from uuid import UUID

from sqlalchemy import func, update

from publisher.events import Queue
from publisher.outbox.lease import lease_due
from publisher.outbox.watch import Stuck, replay, stuck
from publisher.schema import EventTaskRow, RevisionRow
from tests.pipeline.poisoned import POISONS
from tests.pipeline.system import System
from tests.waiting import eventually

BATCH = 64
NONSENSE = {"authors": [{"nonsense": 1}]}


def test_its_neighbours_go_through_and_it_is_stuck_alone(system: System) -> None:
    ids = [system.submit(number) for number in range(BATCH)]
    poisoned = ids[31]
    _store_details(system, poisoned, NONSENSE)
    system.start("relay")
    system.start("worker", "--concurrency", "1")

    eventually(lambda: list(system.statuses().values()).count("published") == 63, within_s=60)
    (one,) = eventually(lambda: _stuck_after_skipping_the_pauses(system), within_s=60)

    assert (one.subject, one.task, one.failures) == (poisoned, "publish", 6)
    assert "nonsense" in (one.last_error or "")
    assert system.statuses()[poisoned] == "enriched"

    _store_details(system, poisoned, {})
    with system.sessions.begin() as session:
        assert replay(session, [one.event_id]) == 1
    system.wait_until_done()
    assert set(system.statuses().values()) == {"published"}


def test_what_raises_kills_hangs_or_eats_memory_takes_nobody_along(system: System) -> None:
    poisons = {system.submit(number, title=title): title for number, title in enumerate(POISONS)}
    for number in range(len(poisons), BATCH):
        system.submit(number)
    _send_as_one_message(system)
    system.start("relay")
    worker = system.start("worker", "--concurrency", "1", module="tests.pipeline.poisoned")

    def published() -> int:
        _skip_to_the_last_try(system, set(poisons))
        return list(system.statuses().values()).count("published")

    eventually(lambda: published() == BATCH - len(poisons), within_s=60)
    errors = eventually(lambda: _errors(system, poisons), within_s=60)

    assert errors["raises"] == "ValueError: this title upsets me"
    assert errors["eats"].startswith("MemoryError: it needs more memory than PUBLISHER_WORKER_MEMORY_MB")
    assert errors["kills"] == errors["hangs"] == "the process that ran it died, or ran past its time limit"

    system.kill(worker)
    system.start("worker", "--concurrency", "1")
    with system.sessions.begin() as session:
        assert replay(session, None) == len(poisons)
    system.wait_until_done(within_s=60)
    assert list(system.statuses().values()) == ["published"] * BATCH


def _store_details(system: System, article: UUID, details: dict[str, object]) -> None:
    with system.sessions.begin() as session:
        session.execute(update(RevisionRow).where(RevisionRow.article_id == article).values(details=details))


def _send_as_one_message(system: System) -> None:
    """Put all that is due into Redis, as the relay does in a backlog."""
    with system.sessions.begin() as session:
        (parcel,) = lease_due(session, Queue.PIPELINE, room=1)
    system.send(parcel.task, [str(one) for one in parcel.event_ids], token=parcel.token)
    assert len(parcel.event_ids) == BATCH


def _stuck_after_skipping_the_pauses(system: System) -> list[Stuck]:
    with system.sessions.begin() as session:
        failed = (EventTaskRow.failures > 0) & EventTaskRow.token.is_(None) & ~EventTaskRow.stuck
        session.execute(update(EventTaskRow).where(failed).values(due_at=func.now()))
        return stuck(session)


def _skip_to_the_last_try(system: System, articles: set[UUID]) -> None:
    """Let those that failed once have failed five times already."""
    failed = EventTaskRow.subject.in_(articles) & EventTaskRow.failures.between(1, 4)
    with system.sessions.begin() as session:
        session.execute(
            update(EventTaskRow)
            .where(failed, EventTaskRow.token.is_(None))
            .values(failures=5, due_at=func.now())
        )


def _errors(system: System, poisons: dict[UUID, str]) -> dict[str, str]:
    """Return the error of each poison once all are stuck, and nothing before."""
    _skip_to_the_last_try(system, set(poisons))
    with system.sessions() as session:
        found = {poisons[one.subject]: one.last_error or "" for one in stuck(session)}
    return found if len(found) == len(poisons) else {}
