"""An article that 50,000 endpoints ask for: when its deliveries are written, and what each of them costs."""

import time
from collections.abc import Mapping

from sqlalchemy import func, select, text

from benchmarks.counters import TOLD_AFTER_S, Kind, redis_calls
from benchmarks.delivering import Delivering
from benchmarks.figure import Figure, Goal
from benchmarks.receivers import Receivers
from benchmarks.stand import CannotMeasure, Stand, System
from benchmarks.subscribing import subscribe
from publisher.events import EventType
from publisher.schema import DeliveryRow, EventRow, StepRow

_ENDPOINTS = 50_000
_COMMITS = text("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()")
_CHEAP = Goal(bound=0.05, at_most=True)


def measure(stand: Stand) -> list[Figure]:
    """Publish one article on a whole system, and count until everybody has it."""
    with System(stand, "fan_out") as system:
        receivers = Receivers(system)
        subscribe(system, [receivers.url(1 + number) for number in range(_ENDPOINTS)])
        delivering = Delivering(system, receivers)
        delivering.start_pipeline()
        delivering.start_sender()
        system.tidy()
        # What is told late of the time before counts, too: that makes it more, not less.
        before = _counted(system)
        delivering.deliver(_ENDPOINTS)
        time.sleep(TOLD_AFTER_S)
        after = _counted(system)
        seconds = _seconds(system)
    each = {kind: (after[kind] - before[kind]) / _ENDPOINTS for kind in before}
    return [
        _figure("rows", seconds, "s", Goal(bound=2, at_most=True)),
        _figure("commits", each[Kind.COMMITS], "a delivery", _CHEAP),
        _figure("Redis calls", each[Kind.REDIS], "a delivery", _CHEAP),
    ]


def _figure(name: str, value: float, unit: str, goal: Goal) -> Figure:
    return Figure(name=f"50,000: {name}", value=value, unit=unit, baseline=None, beside="", goal=goal)


def _counted(system: System) -> Mapping[Kind, float]:
    """Return what all processes have done until now, whatever it was good for."""
    with system.sessions() as session:
        commits = session.scalar(_COMMITS) or 0
    return {Kind.COMMITS: float(commits), Kind.REDIS: sum(redis_calls(system).values())}


def _seconds(system: System) -> float:
    """Return how long it took from the article's publication until its last delivery was written."""
    took = func.extract("epoch", StepRow.ended_at - EventRow.time)
    chosen = (
        select(took)
        .join(EventRow, EventRow.id == StepRow.event_id)
        .where(StepRow.task == "fan_out", EventRow.type == EventType.ARTICLE_PUBLISHED)
    )
    with system.sessions() as session:
        seconds = session.scalar(chosen)
        written = session.scalar(select(func.count()).select_from(DeliveryRow))
    if seconds is None or written != _ENDPOINTS:
        raise CannotMeasure(f"{written} deliveries of {_ENDPOINTS} were written")
    return float(seconds)
