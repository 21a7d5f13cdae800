"""What the record says of the whole system; a relay asks it every few seconds, and no scrape ever does."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.orm import Session

from publisher.database import Sessions
from publisher.pauses import Stage, tasks_of
from publisher.schema import PauseRow, ShardLeaseRow
from workers.overview import overview

_EVERY_S = 5.0
# In a backlog of a million a look takes longer; then they become rarer, so that they cost one part in twenty.
_REST = 20
_LONGEST_LOOK = text("SET LOCAL statement_timeout = '10s'")
# When a look hangs, what was seen before is not shown for ever.
_GOOD_FOR_S = 30.0
_OF_STAGES = {
    "waiting": ("publisher_waiting", "Work that is due and that nobody has."),
    "in_flight": ("publisher_in_flight", "Work that a worker or a sender has, or that is on its way there."),
    "oldest_age_s": ("publisher_oldest_age_seconds", "For how long the oldest work that is due has been so."),
    "stuck": ("publisher_stuck", "Work that failed too often and waits for an operator."),
}
log = structlog.get_logger("publisher.metrics")


@dataclass(frozen=True, kw_only=True)
class Look:
    """What one look at the record brought.

    Attributes:
        overview: as `publisher status` shows it.
        paused: stages that an operator has paused.
        shards_held: of 64, by any sender.
        took_s: the look itself.
    """

    overview: dict[str, Any]
    paused: tuple[str, ...]
    shards_held: int
    took_s: float


class RecordMeters(Collector):
    """Shows the last look at the record; only that the database is away, while it is."""

    def __init__(self, sessions: Sessions, registry: CollectorRegistry) -> None:
        self._sessions = sessions
        self._look: Look | None = None
        self._good_until = 0.0  # on the monotonic clock
        registry.register(self)

    def start(self) -> None:
        """Look again and again, in a thread, until the process ends."""
        threading.Thread(target=self._keep_looking, name="metrics-record", daemon=True).start()

    def look(self) -> float:
        """Look once; return for how long to rest."""
        started = time.monotonic()
        look, up = None, True
        try:
            look = self._see(started)
        except Exception as error:  # a bug, too: who looks for it needs the looks that come after it
            log.warning("metrics.no_look", error=f"{type(error).__name__}: {error}".partition("\n")[0])
            up = _answered(error)
        rest_s = max(_EVERY_S, _REST * (time.monotonic() - started)) if up else _EVERY_S
        self._look = look
        self._good_until = time.monotonic() + rest_s + _GOOD_FOR_S if up else 0.0
        return rest_s

    def collect(self) -> Iterator[Metric]:
        """Return the metrics of the last look; never asks the database."""
        look, up = self._look, time.monotonic() < self._good_until
        yield GaugeMetricFamily("publisher_database_up", "Whether PostgreSQL answered lately.", value=up)
        if look is not None and up:
            yield from _metrics_of(look)

    def _see(self, started: float) -> Look:
        with self._sessions.begin() as session:
            session.execute(_LONGEST_LOOK)
            return Look(
                overview=overview(session),
                paused=_paused(session),
                shards_held=_shards_held(session),
                took_s=time.monotonic() - started,
            )

    def _keep_looking(self) -> None:
        while True:
            time.sleep(self.look())


def _answered(error: Exception) -> bool:
    """Return whether the database itself said no (it took too long, or somebody holds a lock), or nothing."""
    if isinstance(error, DBAPIError):
        return getattr(error.orig, "sqlstate", None) is not None
    return not isinstance(error, SQLAlchemyError | OSError)


def _paused(session: Session) -> tuple[str, ...]:
    # Endpoints are paused under their ids; those are no tasks, and there may be very many of them.
    tasks = [task for stage in Stage for task in tasks_of(stage)]
    paused = select(PauseRow.task).where(PauseRow.task.in_(tasks)).order_by(PauseRow.task)
    return tuple(session.scalars(paused))


def _shards_held(session: Session) -> int:
    held = select(func.count()).where(ShardLeaseRow.holder.is_not(None), ShardLeaseRow.until > func.now())
    return session.scalar(held) or 0


def _metrics_of(look: Look) -> Iterator[Metric]:
    stages = look.overview["stages"]
    for member, (name, meaning) in _OF_STAGES.items():
        gauge = GaugeMetricFamily(name, meaning, labels=["stage"])
        for stage, figures in stages.items():
            gauge.add_metric([stage], figures[member])
        yield gauge
    deliveries = GaugeMetricFamily(
        "publisher_deliveries", "Deliveries that are not over, and those that failed.", labels=["state"]
    )
    for state, count in look.overview["deliveries"].items():
        deliveries.add_metric([state], count)
    yield deliveries
    paused = GaugeMetricFamily("publisher_paused", "Tasks that an operator has paused: 1.", labels=["task"])
    for task in look.paused:
        paused.add_metric([task], 1)
    yield paused
    yield GaugeMetricFamily(
        "publisher_shards_held", "Shards, of 64, that any sender holds.", value=look.shards_held
    )
    yield GaugeMetricFamily(
        "publisher_record_look_duration_seconds", "How long the look took that these come from.", look.took_s
    )
