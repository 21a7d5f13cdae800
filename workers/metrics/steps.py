"""Metrics of the worker: what became of obligations, how long messages took, how soon articles are public."""

from prometheus_client import CollectorRegistry, Counter, Histogram

from workers.metrics.wire import Tally

LATENCY_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 86400)
"""Buckets of how long an article takes: milliseconds when all is well, a day when somebody was away."""

_MESSAGE_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 4, 10, 60)


class StepMeters:
    """What a worker counts, of all the processes that it forked."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._steps = Counter(
            "publisher_steps", "Obligations, by what became of them.", ["task", "outcome"], registry=registry
        )
        self._messages = Histogram(
            "publisher_message_duration_seconds",
            "From the begin of a message's obligations to their end.",
            ["task"],
            buckets=_MESSAGE_S,
            registry=registry,
        )
        self._void = Counter(
            "publisher_void_messages",
            "Messages that came twice or too late: nothing in them was ours any more.",
            ["task"],
            registry=registry,
        )
        self._published = Histogram(
            "publisher_accepted_to_published_seconds",
            "From when a revision could have been public to when it was.",
            buckets=LATENCY_S,
            registry=registry,
        )

    def count(self, tally: Tally) -> None:
        """Count a message that was handled."""
        if not tally.outcomes:
            self._void.labels(tally.task).inc()
            return
        self._messages.labels(tally.task).observe(tally.took_s)
        for outcome, obligations in tally.outcomes.items():
            self._steps.labels(tally.task, outcome).inc(obligations)
        for seconds in tally.published_after_s:
            self._published.observe(seconds)
