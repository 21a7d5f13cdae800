"""Who is told of every attempt: to measure it, or to trace it."""

from collections.abc import Sequence

from publisher.notify.claim import Claimed
from publisher.notify.flush import Report
from publisher.notify.in_hand import InHand


class Observer:
    """Is called in the pump's loop, between deliveries, so it has to be quick. This one does nothing."""

    def beats(self, in_hand: InHand, *, shards: int) -> None:
        """Hear, about once a second, what the sender has in its hands."""

    def begins(self, claimed: Claimed) -> str | None:
        """Return the trace context that the receiver is told of an attempt that begins."""
        return claimed.traceparent

    def ended(self, report: Report) -> None:
        """Hear what came of an attempt, before it is recorded."""

    def recorded(self, reports: Sequence[Report], *, not_ours: int) -> None:
        """Hear that reports are in the record.

        Args:
            not_ours: how many more there were; another sender sends those again.
        """
