"""An attempt and what came of it, for the record."""

from dataclasses import dataclass
from datetime import datetime

from publisher.notify.claimed import Claimed
from publisher.notify.memory.circuits import Circuit
from publisher.notify.outcome import Answer, Outcome


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """An attempt and what came of it.

    Attributes:
        at: when it began.
        ended_at: when it ended; the instants in `outcome` are counted from it.
        circuit: what becomes of the endpoint's circuit breaker; None: nothing.
        recovers: it succeeded, and the endpoint has failed before.
    """

    claimed: Claimed
    answer: Answer
    outcome: Outcome
    at: datetime
    ended_at: datetime
    circuit: Circuit | None = None
    recovers: bool = False
