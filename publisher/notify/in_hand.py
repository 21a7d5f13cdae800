"""What a sender has in its memory: requests in flight, and outcomes that are not recorded yet."""

from collections.abc import Collection, Sequence
from uuid import UUID

from publisher.notify.claim import Claimed, Room
from publisher.notify.flights import Flights
from publisher.notify.flush import Report


class InHand:
    """Deliveries from the moment of their claim until their outcome is in the record.

    So long, the record calls them due, and only this memory keeps them from being claimed again.
    """

    def __init__(self, slots: int) -> None:
        """Have nothing yet.

        Args:
            slots: as of `Flights`.
        """
        self._flights = Flights(slots)
        self._claimed: dict[UUID, Claimed] = {}
        self.reports: list[Report] = []

    @property
    def flying(self) -> int:
        """Requests in flight."""
        return self._flights.count

    @property
    def has_room(self) -> bool:
        """Whether a look for more is worth it."""
        return self._flights.has_room

    @property
    def room(self) -> Room:
        """What may be claimed now: a copy, to be read in another thread."""
        return self._flights.room(self._claimed)

    @property
    def shards(self) -> frozenset[int]:
        """The shards that something in hand belongs to."""
        return frozenset(one.shard for one in self._claimed.values())

    def refuse(self, endpoints: Collection[UUID]) -> None:
        """Note which endpoints take no more, until one of their requests ends."""
        self._flights.refuse(endpoints)

    def take_off(self, claimed: Claimed) -> None:
        """Note that a request is about to begin."""
        self._claimed[claimed.id] = claimed
        self._flights.begin(claimed)

    def land(self, claimed: Claimed, report: Report | None) -> bool:
        """Note that a request has ended; return whether somebody who was refused until now may take more.

        Args:
            report: what came of it; None: it was not sent, and is due as before.
        """
        if report is None:
            del self._claimed[claimed.id]
        else:
            self.reports.append(report)
        return self._flights.end(claimed)

    def forget(self, reports: Sequence[Report]) -> None:
        """Let go of the oldest reports: they are in the record, or another sender's business by now."""
        del self.reports[: len(reports)]
        for one in reports:
            del self._claimed[one.claimed.id]
