"""A span for each step of an article: what a task did for an event."""

from publisher.outbox.obligation import Failed
from workers.handled import Handled
from workers.tracing.spans import Kind, Spans


class TracedSteps:
    """Makes a span of every step whose event bears a trace."""

    def __init__(self, spans: Spans) -> None:
        self._spans = spans

    def hear(self, handled: Handled) -> None:
        """Make the spans of one message; they all took as long as it did."""
        for one in handled.obligations:
            if one.traceparent is None:
                continue
            span = self._spans.begin(
                one.task,
                kind=Kind.CONSUMER,
                parent=one.traceparent,
                attributes={"publisher.event_id": str(one.event_id), "publisher.subject": str(one.subject)},
                since_s=handled.took_s,
            )
            fate = handled.fates.get(one)
            span.end(
                {"publisher.outcome": handled.outcome_of(one)},
                error=fate.error if isinstance(fate, Failed) else None,
            )
