"""Record what came of attempts: many in one transaction, and only while their shards are still ours."""

from collections.abc import Sequence
from typing import Any

from pydantic_core import to_json
from sqlalchemy import text
from sqlalchemy.orm import Session

from publisher.notify.recording.noting import note
from publisher.notify.recording.report import Report
from publisher.notify.shards.leases import standing

# What changed meanwhile stays: a delivery that was cancelled or held while it was in flight is not tried
# again. But one that arrived has arrived, whatever was decided in that moment. What has become newer since
# (`overtaken`: the document of a feed) is still owed, after the pause that whoever fails gets, however often
# the feed changes. What somebody let come due again meanwhile (a replay) is sent again, if it did not arrive.
# Waiting is counted by the database's clock, which says what is due; the sender's may be off. An attempt has
# the same id when it is recorded again: a commit may have come through although its answer got lost.
_RECORD = text("""
WITH report AS (
    SELECT * FROM json_to_recordset(CAST(:reports AS json)) AS report(
        delivery_id uuid, token bigint, endpoint_id uuid, sequence integer, number smallint, trigger text,
        due_at timestamptz,
        at timestamptz, url text, status smallint, error text, duration_ms integer, address text,
        response_headers jsonb, response_body text, state text, wait_s float8)
), locked AS (
    SELECT id, sequence, next_attempt_at, trigger AS wish FROM delivery
    WHERE id IN (SELECT delivery_id FROM report) ORDER BY id FOR UPDATE
), judged AS (
    SELECT report.*, now() + report.wait_s * interval '1 second' AS again_at,
        coalesce(locked.sequence > report.sequence, false) AS overtaken,
        report.state <> 'succeeded' AND (locked.next_attempt_at <> report.due_at
            OR locked.wish <> report.trigger AND locked.wish <> 'auto') AS is_asked_again
    FROM report JOIN locked ON locked.id = report.delivery_id
), changed AS (
    UPDATE delivery SET
        attempts = CASE WHEN overtaken AND judged.again_at IS NULL THEN 0 ELSE judged.number END,
        last_status = judged.status, trigger = CASE WHEN is_asked_again THEN delivery.trigger ELSE 'auto' END,
        sequence = greatest(delivery.sequence, judged.sequence),
        state = CASE WHEN overtaken OR is_asked_again THEN delivery.state
                WHEN delivery.state = 'pending' OR judged.state = 'succeeded'
                THEN judged.state ELSE delivery.state END,
        next_attempt_at = CASE WHEN delivery.state <> 'pending' THEN NULL
                          WHEN is_asked_again THEN delivery.next_attempt_at
                          WHEN overtaken THEN coalesce(judged.again_at, now())
                          WHEN judged.state = 'pending' THEN judged.again_at END
    FROM judged WHERE delivery.id = judged.delivery_id
)
INSERT INTO attempt (id, delivery_id, endpoint_id, number, trigger, at, url, status, error, duration_ms,
                     address, response_headers, response_body)
SELECT encode(substr(sha256(concat_ws('/', delivery_id, token, number)::bytea), 1, 16), 'hex')::uuid,
       delivery_id, endpoint_id, number, trigger, at, url, status, error, duration_ms, address,
       response_headers, response_body
FROM report
ON CONFLICT DO NOTHING
""")


def flush(session: Session, reports: Sequence[Report]) -> list[Report]:
    """Record attempts whose shards still carry our token; return those.

    The rest belongs to another sender by now, which will have sent it again: it changes nothing.
    """
    ours = ours_of(session, reports)
    if not ours:
        return []
    note(session, ours)
    session.execute(_RECORD, {"reports": to_json([_row(one) for one in ours]).decode()})
    return ours


def ours_of(session: Session, reports: Sequence[Report]) -> list[Report]:
    """Return the reports whose shards carry our token still, and keep it so until the commit."""
    # A report from an older term of a shard that is ours again must not pass either.
    newest = {one.claimed.shard: 0 for one in reports}
    for one in reports:
        newest[one.claimed.shard] = max(newest[one.claimed.shard], one.claimed.token)
    shards = standing(session, newest)
    return [
        one
        for one in reports
        if one.claimed.shard in shards and one.claimed.token == newest[one.claimed.shard]
    ]


def _row(one: Report) -> dict[str, Any]:
    claimed, answer, keeps = one.claimed, one.answer, one.claimed.sending.keeps_answer
    again_at = one.outcome.next_attempt_at
    return {
        "delivery_id": claimed.id,
        "token": claimed.token,
        "endpoint_id": claimed.endpoint_id,
        "sequence": claimed.sequence,
        "number": claimed.attempts + 1,
        "trigger": claimed.trigger,
        "due_at": claimed.due_at,
        "at": one.at,
        "url": claimed.url,
        "status": answer.status,
        "error": answer.error,
        "duration_ms": answer.duration_ms,
        "address": answer.address,
        "response_headers": answer.headers if keeps and answer.status is not None else None,
        "response_body": answer.text if keeps else None,
        "state": one.outcome.state,
        "wait_s": (again_at - one.ended_at).total_seconds() if again_at else None,
    }
