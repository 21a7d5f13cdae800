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


class SenderMeters(Observer):
    """What a sender counts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._attempts = Counter(
            "publisher_attempts", "Requests to receivers that ended.", ["result"], registry=registry
        )
        self._retries = Counter(
            "publisher_retries", "Of these, those that were not the first of a delivery.", registry=registry
        )
        self._seconds = Histogram(
            "publisher_attempt_duration_seconds",
            "From the look-up of the receiver's name to the end of its answer.",
            buckets=_ATTEMPT_S,
            registry=registry,
        )
        self._delivered = Histogram(
            "publisher_accepted_to_delivered_seconds",
            "From when there was something to tell to when a subscriber had taken it.",
            buckets=LATENCY_S,
            registry=registry,
        )
        self._not_ours = Counter(
            "publisher_attempts_not_ours",
            "Attempts that were not recorded: the shard belonged to another sender by then.",
            registry=registry,
        )
        self._ended = Counter(
            "publisher_deliveries_ended", "Deliveries that came to an end.", ["state"], registry=registry
        )
        self._broken = Counter(
            "publisher_circuits_opened",
            "Endpoints that failed so much that they are left alone.",
            registry=registry,
        )
        self._in_flight = Gauge("publisher_sender_in_flight", "Requests in flight.", registry=registry)
        self._unrecorded = Gauge(
            "publisher_sender_unrecorded", "Attempts that wait to be recorded.", registry=registry
        )
        self._shards = Gauge(
            "publisher_sender_shards", "Shards, of 64, that this sender holds.", registry=registry
        )
        for state in _FINAL:  # so that a rate can be seen from the first one on
            self._ended.labels(state.value)

    def beats(self, in_hand: InHand, *, shards: int) -> None:
        """Show what the sender has in its hands."""
        self._in_flight.set(in_hand.flying)
        self._unrecorded.set(len(in_hand.reports))
        self._shards.set(shards)

    def ended(self, report: Report) -> None:
        """Count an attempt."""
        answer, claimed = report.answer, report.claimed
        result = answer.error if answer.status is None else f"{answer.status // 100}xx"
        self._attempts.labels(result).inc()
        self._seconds.observe(answer.duration_ms / 1000)
        if claimed.attempts:
            self._retries.inc()
        # What an operator sends again is not late: it was asked for now.
        if answer.succeeded and claimed.sending.accepted_at is not None and claimed.trigger == _OF_ITSELF:
            # Two clocks: ours may be behind.
            self._delivered.observe(max(0.0, (report.ended_at - claimed.sending.accepted_at).total_seconds()))

    def recorded(self, reports: Sequence[Report], *, not_ours: int) -> None:
        """Count what came to an end with these reports, and what was not ours."""
        self._not_ours.inc(not_ours)
        self._broken.inc(sum(one.circuit is not None and one.circuit.breaks > 0 for one in reports))
        for state in _FINAL:
            ended = sum(one.outcome.state is state for one in reports)
            if ended:
                self._ended.labels(state.value).inc(ended)
