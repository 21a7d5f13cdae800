"""One try to deliver: send it, and judge what came of it."""

import logging
from dataclasses import replace
from datetime import UTC, datetime

import structlog

from publisher.notify.claimed import Claimed
from publisher.notify.outcome import Answer, Consequence, ErrorKind
from publisher.notify.recording.report import Report
from publisher.notify.wire.client import WebhookClient

TIMEOUT_S = 15.0
"""How long a request may take to an endpoint that does not say."""

_DETAIL_LENGTH = 300
log = structlog.get_logger("publisher.attempt")


async def attempt(
    client: WebhookClient, claimed: Claimed, *, jitter: float, traceparent: str | None = None
) -> Report:
    """Send a delivery and return what came of it, whatever the receiver does.

    Args:
        jitter: -1 to 1, drawn anew each time.
        traceparent: what the receiver is told; None: that the message belongs to no trace.
    """
    at = datetime.now(UTC)
    try:
        answer = await client.send(
            claimed.sending.request(claimed.url, at=at, traceparent=traceparent),
            deadline_s=claimed.timeout_s or TIMEOUT_S,
        )
    except Exception as error:
        # Whatever a receiver found to upset the client with: it must not stop what is sent to others.
        answer = Answer(error=ErrorKind.PROTOCOL, detail=f"{type(error).__name__}: {error}"[:_DETAIL_LENGTH])
    ended_at = datetime.now(UTC)
    _log(claimed, answer)
    outcome = claimed.sending.judge(answer, attempts=claimed.attempts + 1, at=ended_at, jitter=jitter)
    is_given_up = claimed.health is not None and claimed.health.is_given_up(at=ended_at)
    if is_given_up and not answer.succeeded and outcome.consequence is None:
        outcome = replace(outcome, consequence=Consequence.ENDPOINT_FAILING)
    return Report(claimed=claimed, answer=answer, outcome=outcome, at=at, ended_at=ended_at)


def _log(claimed: Claimed, answer: Answer) -> None:
    """Tell of an attempt: aloud only of failures, since thousands succeed every second."""
    level = logging.DEBUG if answer.succeeded else logging.INFO
    if not log.is_enabled_for(level):
        return
    traceparent = claimed.sending.traceparent
    log.log(
        level,
        "delivery.attempted",
        delivery_id=str(claimed.id),
        event_id=str(claimed.message_id),
        endpoint_id=str(claimed.endpoint_id),
        status=answer.status,
        error=answer.error,
        detail=answer.detail,
        attempt=claimed.attempts + 1,
        ms=answer.duration_ms,
        **({} if traceparent is None else {"traceparent": traceparent}),
    )
