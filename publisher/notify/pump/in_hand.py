"""What a sender has in its memory: requests in flight, and outcomes that are not recorded yet."""

import math
import time
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from uuid import UUID

from publisher.notify.claimed import Claimed
from publisher.notify.claiming.claim import Claim
from publisher.notify.memory.backlogs import Backlogs
from publisher.notify.memory.circuits import Circuits
from publisher.notify.memory.flights import Flights
from publisher.notify.memory.rates import Rates
from publisher.notify.memory.room import Room
from publisher.notify.memory.sweep import Sweep
from publisher.notify.outcome import OF_ENDPOINTS
from publisher.notify.recording.report import Report

_SWEEP_PAUSE_S = 0.05


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
        self._rates = Rates()
        self._circuits = Circuits()
        self._silent: Counter[UUID] = Counter()
        self._heard: Counter[UUID] = Counter()
        self._backlogs = Backlogs()
        self._sweep = Sweep()
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
    def looks_again_in_s(self) -> float:
        """In how many seconds a look is worth it, though nothing has happened meanwhile.

        Then an endpoint with a backlog may be sent something, by its rate; or a sweep goes on.
        """
        waits = (self._rates.opens_in(one) for one in self._backlogs.all)
        by_rate = min((wait for wait in waits if wait), default=math.inf)
        return min(by_rate, _SWEEP_PAUSE_S) if self._sweep.is_under_way else by_rate

    def room(self, shards: Collection[int], *, without_slow: bool = False) -> Room:
        """Return what may be claimed of shards now: a copy, to be read in another thread.

        It begins a look; the one before must have ended, and `learn` heard what it brought.
        """
        self._let_speak()
        room = self._flights.room(self._claimed)
        slow = room.slow if without_slow else ()
        tokens = self._rates.tokens()
        empty = [endpoint for endpoint, count in tokens.items() if count < 1]
        return replace(
            room,
            full=[*room.full, *slow, *empty, *self._silent, *self._backlogs.resting],
            backlogged=self._backlogs.all,
            tokens=tokens,
            stretches=self._sweep.stretches(shards),
            at=time.monotonic(),
        )

    def is_silent(self, endpoint: UUID) -> bool:
        """Return whether an endpoint is left alone, as it said in an answer that is not in the record yet."""
        return bool(self._silent) and self._silent[endpoint] > 0

    @property
    def shards(self) -> frozenset[int]:
        """The shards that something in hand belongs to."""
        return frozenset(one.shard for one in self._claimed.values())

    def held_up(self, shards: Collection[int]) -> frozenset[int]:
        """Return those of the shards that something in hand belongs to which may take long."""
        if not shards:
            return frozenset()
        slow = (one.shard for one in self._claimed.values() if self._flights.is_slow(one.endpoint_id))
        return frozenset(slow).intersection(shards)

    def learn(self, found: Claim, room: Room) -> Sequence[Claimed]:
        """Note what a look has told of endpoints and shards, and begin what it brought; return that.

        Left out is who asked for silence while the look was under way.

        Args:
            room: what the look was given.
        """
        self._flights.refuse(found.full)
        looked = found.looked
        begun = [one for one in found.deliveries if not self.is_silent(one.endpoint_id)]
        if looked.endpoints:
            served = {one.endpoint_id for one in begun}
            self._backlogs.looked(looked.endpoints, found=looked.found, served=served, waits=looked.waits)
        self._backlogs.add(found.backlogged)
        self._sweep.walked(room.stretches, reached=found.seen.reached, cut=found.seen.cut)
        for one in begun:
            self._take_off(one)
        return begun

    def tidy(self) -> None:
        """Let go of what is old."""
        self._circuits.forget_old()

    def _let_speak(self) -> None:
        # A look that begins now is told by the record; one that was under way did not see it there.
        self._silent -= self._heard
        self._heard.clear()

    def _take_off(self, claimed: Claimed) -> None:
        self._claimed[claimed.id] = claimed
        self._flights.begin(claimed)
        if claimed.rate_per_s is not None:
            self._rates.take(claimed.endpoint_id, claimed.rate_per_s, since=claimed.since)

    def land(self, claimed: Claimed, report: Report | None) -> bool:
        """Note that a request has ended; return whether somebody who was refused until now may take more.

        Whoever asked for silence is left alone from now on, not only from when it stands in the record.

        Args:
            report: what came of it; None: it was not sent, and is due as before.
        """
        if report is None:
            del self._claimed[claimed.id]
        else:
            told = self._with_news(report)
            self.reports.append(told)
            if _silences(told):
                self._silent[claimed.endpoint_id] += 1
        return self._flights.end(claimed)

    def _with_news(self, report: Report) -> Report:
        if report.claimed.is_question:
            return report
        health, endpoint = report.claimed.health, report.claimed.endpoint_id
        has_failed = endpoint in self._circuits or (health is not None and health.failing_since is not None)
        wants = report.outcome.paused_until is not None or report.outcome.declined
        circuit = self._circuits.ended(report.claimed, report.answer, says_what_it_wants=wants)
        recovers = report.answer.succeeded and has_failed
        return replace(report, circuit=circuit, recovers=recovers) if circuit or recovers else report

    def forget(self, reports: Sequence[Report]) -> None:
        """Let go of the oldest reports: they are in the record, or another sender's business by now."""
        del self.reports[: len(reports)]
        for one in reports:
            del self._claimed[one.claimed.id]
            if _silences(one):
                self._heard[one.claimed.endpoint_id] += 1


def _silences(report: Report) -> bool:
    """Return whether nothing may be sent to the endpoint from now on, until it stands in the record why."""
    outcome, circuit = report.outcome, report.circuit
    is_broken = circuit is not None and circuit.breaks > 0
    return outcome.paused_until is not None or outcome.consequence in OF_ENDPOINTS or is_broken
