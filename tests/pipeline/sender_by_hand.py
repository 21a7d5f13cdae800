"""A sender without a network: a test says when it claims, what receivers answer, and when it dies."""

import time
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import func, select, update

from publisher.database import Sessions
from publisher.ids import new_id
from publisher.notify.claimed import Claimed
from publisher.notify.claiming.claim import claim
from publisher.notify.memory.room import Room
from publisher.notify.outcome import Answer, DeliveryState
from publisher.notify.recording.flush import flush
from publisher.notify.recording.report import Report
from publisher.notify.secrets.box import SecretBox
from publisher.notify.shards.leases import beat
from publisher.schema import DeliveryRow
from tests.pipeline.system import SECRET_KEY
from tests.stages.subscribers import leases_end

BOX = SecretBox(SECRET_KEY)
_SLOTS = 500


class SenderByHand:
    """Claims, and records answers; what it sent is in the receivers' ledger.

    Attributes:
        in_flight: sent, and not answered yet.
        ledger: the messages that each endpoint got, in the order in which they left.
    """

    def __init__(self, sessions: Sessions) -> None:
        self.in_flight: list[Claimed] = []
        self.ledger: dict[UUID, list[Claimed]] = defaultdict(list)
        self._sessions = sessions
        self._id = new_id()

    def claim(self) -> int:
        """Send what is due; return how much that was."""
        busy = [one.id for one in self.in_flight]
        shards = {one.shard for one in self.in_flight}
        with self._sessions.begin() as session:
            held = beat(session, self._id, in_flight=len(busy), busy=shards, started=time.monotonic())
        with self._sessions.begin() as session:
            room = Room(slots=_SLOTS, busy=busy)
            found = claim(session, held.claimable, room, box=BOX, now=datetime.now(UTC))
        for one in found.deliveries:
            self.ledger[one.endpoint_id].append(one)
        self.in_flight += found.deliveries
        return len(found.deliveries)

    def land(self, claimed: Claimed, *, status: int = 204) -> int:
        """Record what a receiver answered; return how many answers the record took: 1, or none."""
        if claimed in self.in_flight:
            self.in_flight.remove(claimed)
        with self._sessions.begin() as session:
            return len(flush(session, [_report(claimed, status)]))

    def die(self) -> Sequence[Claimed]:
        """Be killed, and started again once the leases have run out; return what was in flight."""
        lost, self.in_flight = self.in_flight, []
        leases_end(self._sessions, self._id)
        self._id = new_id()
        return lost

    def send_all(self) -> None:
        """Send and record until nothing waits any more; every receiver is content."""
        while self._bring_forward():
            self.claim()
            for one in list(self.in_flight):
                self.land(one)

    def _bring_forward(self) -> int:
        """Let retries come due now; return how many deliveries wait, in flight or not."""
        pending = DeliveryRow.state == DeliveryState.PENDING
        with self._sessions.begin() as session:
            session.execute(update(DeliveryRow).where(pending).values(next_attempt_at=func.now()))
            waiting = session.scalar(select(func.count()).select_from(DeliveryRow).where(pending)) or 0
        return waiting + len(self.in_flight)


def _report(claimed: Claimed, status: int) -> Report:
    at = datetime.now(UTC)
    answer = Answer(status=status)
    outcome = claimed.sending.judge(answer, attempts=claimed.attempts + 1, at=at, jitter=0)
    return Report(claimed=claimed, answer=answer, outcome=outcome, at=at, ended_at=at)
