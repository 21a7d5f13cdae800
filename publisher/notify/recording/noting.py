"""What attempts tell of their endpoints, written to the endpoints' rows: silence, failures, open circuits."""

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from publisher.notify.recording.report import Report

# Waiting is counted by the database's clock, which says what is due; the sender's may be off.
_NOTE = text("""
WITH told AS (
    SELECT * FROM json_to_recordset(CAST(:told AS json)) AS told(
        endpoint_id uuid, wait_s float8, fails boolean, recovers boolean, breaks smallint, open_s float8)
), locked AS (
    SELECT id FROM endpoint WHERE id IN (SELECT endpoint_id FROM told) ORDER BY id FOR NO KEY UPDATE
)
UPDATE endpoint SET
    paused_until = greatest(paused_until, now() + told.wait_s * interval '1 second'),
    failing_since = CASE WHEN told.recovers AND NOT told.fails THEN NULL
                    WHEN told.recovers THEN now()
                    WHEN told.fails THEN coalesce(failing_since, now()) ELSE failing_since END,
    failed_at = CASE WHEN told.fails THEN now() WHEN told.recovers THEN NULL ELSE failed_at END,
    breaks = coalesce(told.breaks, endpoint.breaks),
    broken_until = CASE WHEN told.breaks IS NULL THEN broken_until
                   WHEN told.breaks > 0 THEN now() + told.open_s * interval '1 second' END
FROM told, locked WHERE locked.id = told.endpoint_id AND endpoint.id = locked.id
""")


def note(session: Session, reports: Sequence[Report]) -> None:
    """Write what reports tell of their endpoints; of most there is nothing to write.

    Args:
        reports: as they ended: of an endpoint that fails after it succeeded, it counts that it fails.
    """
    told: dict[UUID, dict[str, Any]] = {}
    for one in reports:
        _add(told, one)
    rows = [{"endpoint_id": str(endpoint_id), **members} for endpoint_id, members in told.items()]
    if rows:
        session.execute(_NOTE, {"told": json.dumps(rows)})


def _add(told: dict[UUID, dict[str, Any]], one: Report) -> None:
    members = _members(one)
    if not members:
        return
    before = told.setdefault(one.claimed.endpoint_id, {"fails": False, "recovers": False})
    # The longest wish counts.
    wait_s = max(members.get("wait_s", 0.0), before.get("wait_s", 0.0))
    fails = members.get("fails", before["fails"] and not members.get("recovers"))
    before |= members | {"fails": fails} | ({"wait_s": wait_s} if wait_s else {})


def _members(one: Report) -> dict[str, Any]:
    members: dict[str, Any] = {}
    if one.outcome.paused_until is not None:
        members["wait_s"] = (one.outcome.paused_until - one.ended_at).total_seconds()
    health = one.claimed.health
    if health is not None and one.recovers:
        members["recovers"] = True
    if health is not None and not one.answer.succeeded and health.has_to_note(at=one.ended_at):
        members["fails"] = True
    if one.circuit is not None:
        members |= {"breaks": one.circuit.breaks, "open_s": one.circuit.open_s}
    return members
