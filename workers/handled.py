"""What came of one message, for whoever measures or traces."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from publisher.outbox.obligation import Done, Failed, Fate, Obligation


@dataclass(frozen=True, kw_only=True)
class Handled:
    """A message, after its results were committed.

    Attributes:
        obligations: that were begun; none when the message came twice, or too late.
        fates: of those that were still ours in the end; None: handed back, there was no time for it.
        took_s: since they were begun.
    """

    task: str
    obligations: Sequence[Obligation]
    fates: Mapping[Obligation, Fate | None]
    took_s: float

    def outcome_of(self, one: Obligation) -> str:
        """Return what became of an obligation, in a word or two."""
        if one not in self.fates:
            return "lost"  # its lease ran out, or the database went away: somebody does it again
        fate = self.fates[one]
        if fate is None:
            return "handed back"
        if isinstance(fate, Done):
            return fate.outcome
        return "failed" if isinstance(fate, Failed) else "postponed"

    def published_after_s(self) -> list[float]:
        """Return, for each revision that became public, for how long it could have been so already.

        By the database's clock, which dated both its acceptance and the begin of this step.
        """
        return [
            max(0.0, (one.started_at - fate.accepted_at).total_seconds() + self.took_s)
            for one, fate in self.fates.items()
            if isinstance(fate, Done) and fate.accepted_at is not None
        ]
