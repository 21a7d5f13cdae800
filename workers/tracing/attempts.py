"""A span for each attempt to deliver; the receiver is told that it is the parent of what it does."""

from collections.abc import Sequence
from urllib.parse import urlsplit
from uuid import UUID

from publisher.notify.claimed import Claimed
from publisher.notify.pump.in_hand import InHand
from publisher.notify.pump.observer import Harmless, Observer
from publisher.notify.recording.report import Report
from workers.tracing.spans import Kind, Span, Spans


class TracedAttempts(Observer):
    """Makes a span of every attempt whose message bears a trace; tells another observer the same."""

    def __init__(self, spans: Spans, other: Observer) -> None:
        self._spans = spans
        # Else a span would stay open whenever the other raises.
        self._other = Harmless(other)
        self._open: dict[UUID, Span] = {}

    def beats(self, in_hand: InHand, *, shards: int) -> None:
        """Pass on what the sender has in its hands."""
        self._other.beats(in_hand, shards=shards)

    def begins(self, claimed: Claimed) -> str | None:
        """Return the trace context in which the span of this attempt is the parent."""
        self._other.begins(claimed)
        if claimed.sending.traceparent is None:
            return None
        span = self._spans.begin(
            "deliver",
            kind=Kind.CLIENT,
            parent=claimed.sending.traceparent,
            attributes={
                "publisher.delivery_id": str(claimed.id),
                "publisher.event_id": str(claimed.message_id),
                "publisher.endpoint_id": str(claimed.endpoint_id),
                # Not the whole URL, in which receivers hide passwords.
                "server.address": urlsplit(claimed.url).hostname or "",
                "http.request.method": "POST",
                "http.request.resend_count": claimed.attempts,
            },
        )
        self._open[claimed.id] = span
        return span.traceparent

    def ended(self, report: Report) -> None:
        """End the span of an attempt."""
        self._other.ended(report)
        span = self._open.pop(report.claimed.id, None)
        if span is None:
            return
        answer = report.answer
        attributes = {} if answer.status is None else {"http.response.status_code": answer.status}
        span.end(attributes, error=None if answer.succeeded else answer.error or str(answer.status))

    def recorded(self, reports: Sequence[Report], *, not_ours: int) -> None:
        """Pass on that reports are in the record."""
        self._other.recorded(reports, not_ours=not_ours)
