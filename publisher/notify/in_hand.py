"""What a sender has in its memory: requests in flight, and outcomes that are not recorded yet."""

from collections import Counter
from collections.abc import Sequence
from uuid import UUID

from publisher.notify.claim import Claimed, Room
from publisher.notify.flush import Report

# A look for more takes some milliseconds: fill a quarter of the slots with it, or wait a little.
_WORTHWHILE = 4


class InHand:
    """Deliveries from the moment of their claim until their outcome is in the record.

    So long, the record calls them due, and only this memory keeps them from being claimed again.
    """

    def __init__(self, slots: int) -> None:
        """Have nothing yet.

        Args:
            slots: requests in flight at most.
        """
        self._slots = slots
        self._claimed: dict[UUID, Claimed] = {}
        self._by_endpoint: Counter[UUID] = Counter()
        self._full: set[UUID] = set()
        self.reports: list[Report] = []
        self.flying = 0

    @property
    def has_room(self) -> bool:
        """Whether a look for more is worth it: enough slots are free, so that many are filled at once."""
        return self._slots - self.flying >= max(1, self._slots // _WORTHWHILE)

    @property
    def room(self) -> Room:
        """What may be claimed now: a copy, to be read in another thread."""
        return Room(
            slots=self._slots - self.flying,
            busy=list(self._claimed),
            flying=dict(self._by_endpoint),
            full=list(self._full),
        )

    @property
    def shards(self) -> frozenset[int]:
        """The shards that something in hand belongs to."""
        return frozenset(one.shard for one in self._claimed.values())

    def take_off(self, claimed: Claimed) -> None:
        """Note that a request is about to begin."""
        self._claimed[claimed.id] = claimed
        self.flying += 1
        self._by_endpoint[claimed.endpoint_id] += 1
        if self._by_endpoint[claimed.endpoint_id] >= claimed.max_in_flight:
            self._full.add(claimed.endpoint_id)

    def land(self, claimed: Claimed, report: Report | None) -> bool:
        """Note that a request has ended; return whether its endpoint, full until now, takes one more.

        Args:
            report: what came of it; None: it was not sent, and is due as before.
        """
        self.flying -= 1
        self._by_endpoint[claimed.endpoint_id] -= 1
        if not self._by_endpoint[claimed.endpoint_id]:
            del self._by_endpoint[claimed.endpoint_id]
        if report is None:
            del self._claimed[claimed.id]
        else:
            self.reports.append(report)
        was_full = claimed.endpoint_id in self._full
        self._full.discard(claimed.endpoint_id)
        return was_full

    def forget(self, reports: Sequence[Report]) -> None:
        """Let go of the oldest reports: they are in the record, or another sender's business by now."""
        del self.reports[: len(reports)]
        for one in reports:
            del self._claimed[one.claimed.id]
