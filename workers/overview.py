"""What operators are shown of the whole: how much waits at each stage, what is paused, and who works."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from publisher.notify.fan_out.message import instant
from publisher.notify.outcome import DeliveryState
from publisher.outbox.watch import Backlog, backlogs
from publisher.pauses import Stage, pauses, tasks_of
from publisher.schema import SenderRow, ShardLeaseRow

DELIVERY_STATES = (DeliveryState.PENDING, DeliveryState.HELD, DeliveryState.FAILED)
_TASKS = {stage.value: tasks_of(stage) for stage in Stage if stage is not Stage.DELIVER}
_ALIVE = timedelta(seconds=5)
_NOTHING = Backlog(waiting=0, in_flight=0, oldest_age_s=None, stuck=0)

# A state at a time: then it is seen that a partial index has it. What an endpoint's pause holds back is shown
# as held, as the API shows it.
_DELIVERIES = text("""
WITH paused AS (
    SELECT id FROM endpoint WHERE paused_at IS NOT NULL OR paused_until > now()
), waits AS (
    SELECT count(*) AS pending,
        count(*) FILTER (WHERE endpoint_id IN (SELECT id FROM paused)) AS held,
        count(*) FILTER (WHERE due AND endpoint_id NOT IN (SELECT id FROM paused)) AS due,
        min(next_attempt_at) FILTER (WHERE due AND endpoint_id NOT IN (SELECT id FROM paused)) AS oldest
    FROM (
        SELECT endpoint_id, next_attempt_at, next_attempt_at <= now() AS due
        FROM delivery WHERE state = 'pending'
    ) AS delivery
)
SELECT waits.pending - waits.held AS pending,
    waits.held + (SELECT count(*) FROM delivery WHERE state = 'held') AS held,
    (SELECT count(*) FROM delivery WHERE state = 'failed') AS failed,
    waits.due, extract(epoch FROM now() - waits.oldest) AS oldest_age_s
FROM waits
""")
_PROCESSES = text("""
SELECT split_part(application_name, ' ', 2) AS kind,
    count(DISTINCT (application_name, client_addr)) AS processes
FROM pg_stat_activity
WHERE datname = current_database() AND application_name ~ '^publisher [a-z]+ [0-9]+$'
GROUP BY 1 ORDER BY 1
""")


def overview(session: Session) -> dict[str, Any]:
    """Return `status` as the contract has it, and who works: raw JSON."""
    at = session.execute(select(func.now())).scalar_one()
    deliveries = session.execute(_DELIVERIES).one()
    senders = _senders(session, at)
    stages = {stage: _stage(found) for stage, found in _by_stage(backlogs(session)).items()}
    # A delivery is never stuck: it is tried again, or has failed, which `deliveries` counts.
    stages["deliver"] = {
        "waiting": deliveries.due,
        "in_flight": sum(one["in_flight"] for one in senders),
        "oldest_age_s": _rounded(deliveries.oldest_age_s),
        "stuck": 0,
    }
    return {
        "at": instant(at),
        "stages": stages,
        "deliveries": {state.value: getattr(deliveries, state) for state in DELIVERY_STATES},
        "paused": [
            {"what": one.what, "since": instant(one.since), "reason": one.reason} for one in pauses(session)
        ],
        "senders": senders,
        "processes": _processes(session),
    }


def _by_stage(found: Mapping[str, Backlog]) -> dict[str, list[Backlog]]:
    named = {task for tasks in _TASKS.values() for task in tasks}
    others = {task: (task,) for task in found if task not in named}
    return {
        stage: [found.get(task, _NOTHING) for task in tasks] for stage, tasks in {**_TASKS, **others}.items()
    }


def _stage(backlogs: list[Backlog]) -> dict[str, Any]:
    return {
        "waiting": sum(one.waiting for one in backlogs),
        "in_flight": sum(one.in_flight for one in backlogs),
        "oldest_age_s": max(one.oldest_age_s or 0 for one in backlogs),
        "stuck": sum(one.stuck for one in backlogs),
    }


def _rounded(age_s: Any) -> float:
    return 0 if age_s is None else round(float(age_s), 3)


def _senders(session: Session, at: datetime) -> list[dict[str, Any]]:
    """Return the senders that are alive, with the shards that are theirs."""
    theirs = (ShardLeaseRow.holder == SenderRow.id) & (ShardLeaseRow.until > func.now())
    rows = session.execute(
        select(
            SenderRow.id,
            SenderRow.beat_at,
            SenderRow.in_flight,
            func.count(ShardLeaseRow.shard).label("shards"),
        )
        .outerjoin(ShardLeaseRow, theirs)
        .where(SenderRow.beat_at > func.now() - _ALIVE)
        .group_by(SenderRow.id)
        .order_by(SenderRow.id)
    )
    return [
        {
            "id": str(row.id),
            "shards": row.shards,
            "in_flight": row.in_flight,
            "beat_age_s": _rounded((at - row.beat_at).total_seconds()),
        }
        for row in rows
    ]


def _processes(session: Session) -> dict[str, int]:
    """Return how many processes of each kind are connected; a worker's children count, and this command."""
    return {row.kind: row.processes for row in session.execute(_PROCESSES)}
