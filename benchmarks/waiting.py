"""200,000 deliveries wait for an endpoint that hangs: what claims cost then, and when others get theirs."""

import re
import time
from collections.abc import Iterator
from statistics import median, quantiles
from uuid import UUID

from sqlalchemy import text

from benchmarks.delivering import Delivering
from benchmarks.figure import Figure, Goal
from benchmarks.receivers import Receivers
from benchmarks.stand import CannotMeasure, Stand, System
from benchmarks.statements import LOGGED, statements_within
from benchmarks.subscribing import subscribe
from publisher.notify.endpoints.store import send_test, shard_of

_WAITING = 200_000
# So many that some of them lie in the shard of the one that hangs.
_OTHERS = 1_000
_MESSAGES, _MESSAGES_BEFORE = 15, 10
_EVERY_S = 1.0
_ARRIVES_WITHIN_S = 30
_NEVER_MS = 3_600_000
# What tells the two questions of a claim from the sender's other statements.
_CLAIM = re.compile(r" AS (?:own|wanted)\(")
_LET_WAIT = text("""
WITH told AS (
    INSERT INTO message (id, time, type, body)
    SELECT gen_random_uuid(), now(), 'article.published', '{}' FROM generate_series(1, :count)
    RETURNING id, time
)
INSERT INTO delivery (message_id, message_time, endpoint_id, shard, state, next_attempt_at)
SELECT told.id, told.time, :endpoint, :shard, 'pending',
       now() - interval '1 hour' + row_number() OVER () * interval '1 millisecond'
FROM told
""")


def measure(stand: Stand) -> list[Figure]:
    """Send messages to an endpoint beside the one that hangs, before and after so much waits for that."""
    with System(stand, "waiting", LOGGED) as system:
        hanging, receivers = Receivers(system), Receivers(system)
        hanging.begin(after_ms=_NEVER_MS)
        (hangs,) = subscribe(system, [hanging.url(1)])
        beside = _beside(hangs, subscribe(system, [receivers.url(1 + number) for number in range(_OTHERS)]))
        delivering = Delivering(system, receivers)
        delivering.start_pipeline()
        sender = delivering.start_sender()
        quiet = [_arrives_in_ms(system, receivers, beside) for _ in range(_MESSAGES_BEFORE)]
        system.end(sender)
        _let_wait(system, hangs)
        began = stand.postgres_log.stat().st_size
        system.start("sender")
        system.until(lambda: hanging.tally().count, within_s=_ARRIVES_WITHIN_S)
        busy = [_arrives_in_ms(system, receivers, beside, after_s=_EVERY_S) for _ in range(_MESSAGES)]
        claims = list(_claims_ms(stand, system, began))
    return [
        *_claim_figures(claims),
        Figure(
            name="200,000 wait: a message",
            value=max(busy),
            unit="ms",
            baseline=median(quiet),
            beside="when nothing waits",
            goal=Goal(bound=2_000, at_most=True),
        ),
    ]


def _claim_figures(claims: list[float]) -> list[Figure]:
    return [
        Figure(name=f"200,000 wait: {name}", value=value, unit="ms", baseline=None, beside="", goal=goal)
        for name, value, goal in (
            ("a claim", median(claims), Goal(bound=10, at_most=True)),
            ("a claim, p99", quantiles(claims, n=100)[98], Goal(bound=10, at_most=True)),
        )
    ]


def _beside(hangs: UUID, others: list[UUID]) -> UUID:
    found = next((one for one in others if shard_of(one) == shard_of(hangs)), None)
    if found is None:
        raise CannotMeasure("no endpoint lies in the shard of the one that hangs; try again")
    return found


def _let_wait(system: System, endpoint: UUID) -> None:
    wanted = {"count": _WAITING, "endpoint": endpoint, "shard": shard_of(endpoint)}
    with system.sessions.begin() as session:
        session.execute(_LET_WAIT, wanted)
    system.tidy()


def _arrives_in_ms(system: System, receivers: Receivers, endpoint: UUID, *, after_s: float = 0.2) -> float:
    """Send a message after a pause; return how long it took from its commit to its arrival."""
    time.sleep(after_s)
    receivers.begin(after_ms=0)
    with system.sessions.begin() as session:
        send_test(session, endpoint)
    sent_at = time.monotonic()
    system.until(lambda: receivers.tally().count, within_s=_ARRIVES_WITHIN_S)
    return (receivers.tally().first_at - sent_at) * 1000


def _claims_ms(stand: Stand, system: System, began: int) -> Iterator[float]:
    """Yield the time of each question, with its planning."""
    part = slice(began, stand.postgres_log.stat().st_size)
    ms = 0.0
    for one in statements_within(stand.postgres_log, part, database=system.name):
        if one.process == "sender" and _CLAIM.search(one.text):
            ms += one.ms
            if one.executed:
                yield ms
                ms = 0.0
