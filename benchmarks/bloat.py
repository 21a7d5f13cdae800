"""What minutes at full speed leave of the hot tables: their size, and what of it is not needed."""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from statistics import median

from sqlalchemy import text

from benchmarks.figure import Figure
from benchmarks.material import submission
from benchmarks.receivers import Receivers
from benchmarks.stand import DOMAIN, SECRET_KEY, CannotMeasure, Stand, System
from benchmarks.statements import statements_within
from publisher.ingest.record import record_all
from publisher.notify.endpoints.endpoint_in import EndpointIn
from publisher.notify.endpoints.store import create
from publisher.notify.secrets.box import SecretBox

_HOT = ("event_task", "delivery", "article", "feed", "shard_lease", "sender")
# What tells the relay's claim from its other statements.
_CLAIM = re.compile(r"begun_before\b.* SKIP LOCKED")
# One statement in four is enough to see how long they take, and slows nobody down.
_SAMPLED = {
    "log_min_duration_sample": "0",
    "log_statement_sample_rate": "0.25",
    "log_parameter_max_length": "0",
}
_ENDPOINTS = 10
_BACKLOG, _TOGETHER, _LOOK_EVERY_S = 600, 50, 0.05
# The first and the last fifth of the time are compared.
_PART = 0.2
_STARTS_WITHIN_S = 60
_BYTES = text("SELECT pg_total_relation_size(CAST(:name AS regclass))")


@dataclass(frozen=True, kw_only=True)
class _Moment:
    at: float
    delivered: int
    log_bytes: int


def measure(stand: Stand, *, minutes: float) -> list[Figure]:
    """Keep every stage busy for so long, then compare the tables with freshly written ones."""
    with System(stand, "bloat", _SAMPLED) as system:
        busy = _Busy(stand, system)
        busy.start()
        moments = [busy.moment()]
        for part in (_PART, 1 - 2 * _PART, _PART):
            busy.keep_on(minutes * 60 * part)
            moments.append(busy.moment())
        busy.stop()
        used = _sizes_mb(system)
        _write_afresh(system)
        packed = _sizes_mb(system)
    first, last = (busy.between(*moments[:2]), busy.between(*moments[2:]))
    beside = "the same in the first fifth of the time"
    name = f"{minutes:g} min"
    return [
        *(
            _figure(f"{name}: {one}", "MB", used[one], packed[one], "the same rows, freshly written")
            for one in _HOT
        ),
        _figure(f"{name}: deliveries", "per s", last.deliveries_per_s, first.deliveries_per_s, beside),
        _figure(f"{name}: a claim", "ms", last.claim_ms, first.claim_ms, beside),
    ]


@dataclass(frozen=True, kw_only=True)
class _Speed:
    deliveries_per_s: float
    claim_ms: float


class _Busy:
    """A system that always has some hundred obligations before it."""

    def __init__(self, stand: Stand, system: System) -> None:
        self._log = stand.postgres_log
        self._system = system
        self._receivers = Receivers(system)
        self._numbers = count()

    def start(self) -> None:
        """Start everything, and return when webhooks arrive."""
        box = SecretBox(SECRET_KEY)
        with self._system.sessions.begin() as session:
            for number in range(_ENDPOINTS):
                create(session, EndpointIn(url=self._receivers.url(1 + number)), box=box)
        for argv in (["relay"], ["worker", "--concurrency", "1"], ["sender"]):
            self._system.start(*argv)
        self._receivers.begin(after_ms=0)
        self._feed()
        self._system.until(lambda: self._receivers.tally().count, within_s=_STARTS_WITHIN_S)

    def keep_on(self, seconds: float) -> None:
        """Send in articles as fast as they are worked on."""
        end = time.monotonic() + seconds

        def is_over() -> bool:
            if self._system.owed() < _BACKLOG:
                self._feed()
            return time.monotonic() >= end

        self._system.until(is_over, within_s=seconds + _STARTS_WITHIN_S, every_s=_LOOK_EVERY_S)

    def stop(self) -> None:
        """End every process in the middle of its work."""
        self._system.end_all()

    def moment(self) -> _Moment:
        """Return how far everything has come."""
        return _Moment(
            at=time.monotonic(),
            delivered=self._receivers.tally().count,
            log_bytes=self._log.stat().st_size,
        )

    def between(self, first: _Moment, last: _Moment) -> _Speed:
        """Return how fast things went from one moment to another one."""
        part = slice(first.log_bytes, last.log_bytes)
        claims = [
            one.ms
            for one in statements_within(self._log, part, database=self._system.name)
            if one.executed and one.process == "relay" and _CLAIM.search(one.text)
        ]
        if not claims:
            raise CannotMeasure("the log shows no claim of the relay in a fifth of the time")
        return _Speed(
            deliveries_per_s=(last.delivered - first.delivered) / (last.at - first.at),
            claim_ms=median(claims),
        )

    def _feed(self) -> None:
        some = [submission(next(self._numbers)) for _ in range(_TOGETHER)]
        with self._system.sessions.begin() as session:
            record_all(session, some, tag_domain=DOMAIN)


def _figure(name: str, unit: str, value: float, baseline: float, beside: str) -> Figure:
    return Figure(name=name, value=value, unit=unit, baseline=baseline, beside=beside)


def _sizes_mb(system: System) -> Mapping[str, float]:
    """Return the sizes with indexes."""
    with system.sessions() as session:
        return {name: float(session.scalar(_BYTES, {"name": name}) or 0) / 1e6 for name in _HOT}


def _write_afresh(system: System) -> None:
    with system.sessions() as session:
        connection = session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
        for name in _HOT:
            connection.execute(text(f"VACUUM FULL {name}"))
