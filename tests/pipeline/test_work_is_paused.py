"""A stage is paused: nothing of it begins, the rest goes on, nothing gets stuck, and then it goes on at once.

Guards: `lease_due` parks what is paused instead of leasing it; the relay brings back what is parked and not
paused any more, whoever resumed it; `resume` wakes the relay.
"""

from sqlalchemy import func, select, update

from publisher.outbox.parking import bring_back
from publisher.outbox.watch import backlogs
from publisher.pauses import Stage, pause, resume
from publisher.schema import EventTaskRow
from tests.pipeline.system import System
from tests.waiting import eventually

ARTICLES = 100


def test_a_paused_stage_waits_while_the_others_go_on_and_goes_on_at_once(system: System) -> None:
    system.submit_together(ARTICLES)
    with system.sessions.begin() as session:
        # As somebody leaves it who resumes a long backlog and dies in the middle.
        session.execute(update(EventTaskRow).values(queue="pipeline/enrich"))
        pause(session, Stage.PUBLISH, reason=None)
    for process in ("relay", "worker"):
        system.start(process)
    eventually(lambda: system.steps("enrich") == ARTICLES, within_s=30)
    eventually(lambda: _parked(system) == ARTICLES)

    with system.sessions() as session:
        found = backlogs(session)["publish"]
    with system.sessions.begin() as session:
        resume(session, Stage.PUBLISH)
        bring_back(session)

    assert (found.waiting, found.in_flight, found.stuck) == (ARTICLES, 0, 0)
    eventually(lambda: system.steps("publish") > 0, within_s=3)
    system.wait_until_done(within_s=20)
    assert system.steps("publish") == ARTICLES


def _parked(system: System) -> int:
    with system.sessions() as session:
        return session.scalar(select(func.count()).where(EventTaskRow.queue == "pipeline/publish")) or 0
