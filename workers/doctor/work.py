"""Checks of the system itself: who is alive, what is late, stuck, or held back."""

from collections.abc import Iterator, Mapping
from typing import Any

from kombu.exceptions import OperationalError as BrokerError
from redis.exceptions import RedisError

from publisher.notify.endpoints.store import SHARDS
from publisher.settings import Settings
from workers.doctor.finding import Finding, ok, problem, warning
from workers.pipeline import app

_LATE_S, _VERY_LATE_S = 60, 600
_PING_S = 1.0


def check_processes(shown: Mapping[str, Any], settings: Settings) -> Iterator[Finding]:
    """See whether a relay and senders work.

    Args:
        shown: what `overview` returns.
    """
    connected = shown["processes"]
    relays = connected.get("relay", 0)
    if settings.goes_through_pooler:  # there only ears have names of their own, and each sender has one, too
        relays = max(0, connected.get("listen", 0) - len(shown["senders"]))
    if relays:
        yield ok("relay", f"{relays} connected")
    else:
        yield problem("relay", "none is connected", "start `publisher relay`, or see its log")
    held = sum(one["shards"] for one in shown["senders"])
    if not shown["senders"]:
        yield problem("sender", "none is alive", "start `publisher sender`, or see its log")
    elif held < SHARDS:
        yield warning("sender", f"{held} of {SHARDS} shards are held", "look again in 5 s")
    else:
        yield ok("sender", f"{len(shown['senders'])} alive, with all {SHARDS} shards")


def check_workers(settings: Settings) -> Iterator[Finding]:
    """See whether a worker answers, by way of Redis."""
    app.configure(settings)
    try:
        with app.connection_for_write() as connection:
            replies = app.control.ping(timeout=_PING_S, connection=connection)
    except (BrokerError, RedisError, OSError) as error:  # the second: what it refuses
        yield warning("worker", f"cannot be asked ({error})", "see what is said of Redis")
        return
    workers = [node for reply in replies for node in reply if node.startswith("worker")]
    if workers:
        yield ok("worker", f"{len(workers)} answered")
    else:
        yield problem("worker", "none answers", "start `publisher worker`, or see its log: articles wait")


def check_stages(shown: Mapping[str, Any]) -> Iterator[Finding]:
    """Look for stages that are late, or stuck."""
    paused = {one["what"] for one in shown["paused"]}
    stages: Mapping[str, Mapping[str, Any]] = shown["stages"]
    late = [finding for stage, one in stages.items() if stage not in paused for finding in _late(stage, one)]
    yield from late
    if not late:
        yield ok("backlog", f"{sum(one['waiting'] for one in stages.values())} wait, none for long")
    stuck = {stage: one["stuck"] for stage, one in stages.items() if one["stuck"]}
    if stuck:
        told = ", ".join(f"{count} at {stage}" for stage, count in stuck.items())
        yield problem("stuck", told, "`publisher stuck` tells why; mend it, then `publisher replay`")
    else:
        yield ok("stuck", "nothing")


def check_pauses(shown: Mapping[str, Any]) -> Iterator[Finding]:
    """Remind of what is held back."""
    for one in shown["paused"]:
        why = f": {one['reason']}" if one["reason"] else ""
        told = f"{one['what']} since {one['since']}{why}"
        yield warning("paused", told, f"`publisher resume {one['what']}` when that is over")
    if not shown["paused"]:
        yield ok("paused", "nothing")


def _late(stage: str, one: Mapping[str, Any]) -> Iterator[Finding]:
    age_s = one["oldest_age_s"]
    if age_s < _LATE_S or not one["waiting"] + one["in_flight"]:
        return
    found = f"{stage}: {one['waiting']} wait, {one['in_flight']} in flight, the oldest for {age_s:.0f} s"
    who = "senders" if stage == "deliver" else "workers"
    action = f"see that {who} run and come along; start more of them"
    yield problem("backlog", found, action) if age_s >= _VERY_LATE_S else warning("backlog", found, action)
