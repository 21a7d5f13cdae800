"""Metrics of the sender: every attempt, how it ended, and how soon subscribers know."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from publisher.notify.outcome import DeliveryState
from publisher.notify.pump.in_hand import InHand
from publisher.notify.pump.observer import Observer
from publisher.notify.recording.report import Report
from workers.metrics.steps import LATENCY_S

_ATTEMPT_S = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30, 60)
_FINAL = (DeliveryState.SUCCEEDED, DeliveryState.FAILED, DeliveryState.HELD)
_OF_ITSELF = "auto"


class _Hands:
    """What a sender has in its hands."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.in_flight = Gauge("publisher_sender_in_flight", "Requests in flight.", registry=registry)
        self.unrecorded = Gauge(
            "publisher_sender_unrecorded", "Attempts that wait to be recorded.", registry=registry
        )
        self.shards = Gauge(
            "publisher_sender_shards", "Shards, of 64, that this sender holds.", registry=registry
        )


class _Attempts:
    """What receivers are sent, and how soon they know."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.by_result = Counter(
            "publisher_attempts", "Requests to receivers that ended.", ["result"], registry=registry
        )
        self.retries = Counter(
            "publisher_retries", "Of these, those that were not the first of a delivery.", registry=registry
        )
        self.seconds = Histogram(
            "publisher_attempt_duration_seconds",
            "From the look-up of the receiver's name to the end of its answer.",
            buckets=_ATTEMPT_S,
            registry=registry,
        )
        self.delivered = Histogram(
            "publisher_accepted_to_delivered_seconds",
            "From when there was something to tell to when a subscriber had taken it.",
            buckets=LATENCY_S,
            registry=registry,
        )


class _Ends:
    """What came of it in the record."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.not_ours = Counter(
            "publisher_attempts_not_ours",
            "Attempts that were not recorded: the shard belonged to another sender by then.",
            registry=registry,
        )
        self.by_state = Counter(
            "publisher_deliveries_ended", "Deliveries that came to an end.", ["state"], registry=registry
        )
        self.broken = Counter(
            "publisher_circuits_opened",
            "Endpoints that failed so much that they are left alone.",
            registry=registry,
        )
        for state in _FINAL:  # so that a rate can be seen from the first one on
            self.by_state.labels(state.value)


class SenderMeters(Observer):
    """What a sender counts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._hands, self._attempts, self._ends = _Hands(registry), _Attempts(registry), _Ends(registry)

    def beats(self, in_hand: InHand, *, shards: int) -> None:
        """Show what the sender has in its hands."""
        self._hands.in_flight.set(in_hand.flying)
        self._hands.unrecorded.set(len(in_hand.reports))
        self._hands.shards.set(shards)

    def ended(self, report: Report) -> None:
        """Count an attempt."""
        answer, claimed = report.answer, report.claimed
        result = answer.error if answer.status is None else f"{answer.status // 100}xx"
        self._attempts.by_result.labels(result).inc()
        self._attempts.seconds.observe(answer.duration_ms / 1000)
        if claimed.attempts:
            self._attempts.retries.inc()
        accepted_at = claimed.sending.accepted_at
        # What an operator sends again is not late: it was asked for now.
        if answer.succeeded and accepted_at is not None and claimed.trigger == _OF_ITSELF:
            # Two clocks: ours may be behind.
            self._attempts.delivered.observe(max(0.0, (report.ended_at - accepted_at).total_seconds()))

    def recorded(self, reports: Sequence[Report], *, not_ours: int) -> None:
        """Count what came to an end with these reports, and what was not ours."""
        self._ends.not_ours.inc(not_ours)
        self._ends.broken.inc(sum(one.circuit is not None and one.circuit.breaks > 0 for one in reports))
        for state in _FINAL:
            ended = sum(one.outcome.state is state for one in reports)
            if ended:
                self._ends.by_state.labels(state.value).inc(ended)
