"""Who is told of every attempt: to measure it, or to trace it."""

from collections.abc import Sequence

from publisher.notify.claimed import Claimed
from publisher.notify.pump.in_hand import InHand
from publisher.notify.recording.report import Report
from publisher.undisturbed import undisturbed


class Observer:
    """Is called in the pump's loop, between deliveries, so it has to be quick. This one does nothing."""

    def beats(self, in_hand: InHand, *, shards: int) -> None:
        """Hear, about once a second, what the sender has in its hands."""

    def begins(self, claimed: Claimed) -> str | None:
        """Return the trace context that the receiver is told of an attempt that begins."""
        return claimed.sending.traceparent

    def ended(self, report: Report) -> None:
        """Hear what came of an attempt, before it is recorded."""

    def recorded(self, reports: Sequence[Report], *, not_ours: int) -> None:
        """Hear that reports are in the record.

        Args:
            not_ours: how many more there were; another sender sends those again.
        """


class Harmless(Observer):
    """Passes everything on to another observer; whatever that one raises ends here.

    The log names it by its class: observers pass on to others, each of which may fail.
    """

    def __init__(self, other: Observer) -> None:
        self._other = other
        name = type(other).__name__
        self._beats, self._begins, self._ended, self._recorded = (
            undisturbed(f"{name}.{one}") for one in ("beats", "begins", "ended", "recorded")
        )

    def beats(self, in_hand: InHand, *, shards: int) -> None:
        """Pass on what the sender has in its hands."""
        with self._beats:
            self._other.beats(in_hand, shards=shards)

    def begins(self, claimed: Claimed) -> str | None:
        """Return the other's trace context; the message's own if there is none to be had."""
        with self._begins:
            return self._other.begins(claimed)
        return claimed.sending.traceparent

    def ended(self, report: Report) -> None:
        """Pass on what came of an attempt."""
        with self._ended:
            self._other.ended(report)

    def recorded(self, reports: Sequence[Report], *, not_ours: int) -> None:
        """Pass on that reports are in the record."""
        with self._recorded:
            self._other.recorded(reports, not_ours=not_ours)
