"""Thousands of deliveries later, processes are no bigger, and each delivery stands where it belongs.

Guards: a sender forgets what is in the record (`InHand.forget`), and has few connections that nobody uses
(`Idle`); an end is one of four (`DeliveryState`), and nothing leaves the record without one.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import psutil
from sqlalchemy import func, select, update

from publisher.notify.endpoints.endpoint_in import EndpointPatch
from publisher.notify.endpoints.store import change, remove
from publisher.notify.outcome import DeliveryState
from publisher.notify.secrets.box import SecretBox
from publisher.schema import DeliveryRow, EndpointRow
from tests.pipeline.deliveries import sent
from tests.pipeline.forked import Forked
from tests.pipeline.system import SECRET_KEY, STARTS_WITHIN_S, System
from tests.receivers import Received, Receivers, Reply
from tests.stages.subscribers import Subscribers
from tests.waiting import eventually

WELL, DECLINING, DISABLED, PAUSED = 90, 4, 3, 3
ENDPOINTS = WELL + DECLINING + DISABLED + PAUSED
ARTICLES, ROUNDS = 20, 6
# Caches fill, and a sender looks for garbage seldom: so long memory is got that stays.
WARMING_UP = 2
# What lies between two looks at a process that does not grow: what is free but not given back.
MORE_BYTES, MORE_FILES = 3_000_000, 5


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much of the machine a process has, with all that it forked."""

    bytes: int
    files: int


def answering(received: Received) -> Reply:
    """Take everything, but for who wants nothing of it: a wish that no circuit opens for."""
    if received.path.startswith("/declining"):
        return Reply(status=422, headers={"webhook-delivery": "abort-message"})
    return Reply()


def test_what_was_accepted_has_one_end_each_and_no_process_grows(system: System) -> None:
    with Receivers(answering) as receivers:
        groups = _subscribe(system, receivers)
        processes = {name: system.start(name) for name in ("relay", "sender")}
        processes["worker"] = system.start("worker", "--concurrency", "1")
        sizes = []
        for number in range(ROUNDS):
            for article in range(ARTICLES):
                system.submit(number * ARTICLES + article)
            due = (WELL + DECLINING) * ARTICLES * (number + 1)
            eventually(lambda due=due: receivers.count == due, within_s=STARTS_WITHIN_S)  # type: ignore[misc]
            eventually(lambda due=due: _ended(system) == due)  # type: ignore[misc]
            system.wait_until_done()
            sizes.append({name: _size(child) for name, child in processes.items()})
        for one in groups["paused"]:
            with system.sessions.begin() as session:
                remove(session, one)
        system.wait_until_delivered()

        accepted = ROUNDS * ARTICLES
        assert set(sent(receivers).values()) == {1}
    assert _states(system) == {
        DeliveryState.SUCCEEDED: WELL * accepted,
        DeliveryState.FAILED: DECLINING * accepted,
        DeliveryState.HELD: DISABLED * accepted,
        DeliveryState.CANCELLED: PAUSED * accepted,
    }
    assert _growth(sizes) == {}, sizes


def _subscribe(system: System, receivers: Receivers) -> Mapping[str, Sequence[UUID]]:
    some = Subscribers(
        system.sessions, lambda path, host: receivers.url(path, host=host), box=SecretBox(SECRET_KEY)
    )
    counts = {"well": WELL, "declining": DECLINING, "disabled": DISABLED, "paused": PAUSED}
    groups = {
        name: [some.subscribe(f"/{name}/{number}", host=number + 1) for number in range(count)]
        for name, count in counts.items()
    }
    with system.sessions.begin() as session:
        for one in groups["disabled"]:
            change(session, one, EndpointPatch(enabled=False))
        is_paused = EndpointRow.id.in_(groups["paused"])
        session.execute(update(EndpointRow).where(is_paused).values(paused_at=func.now()))
    return groups


def _size(child: Forked) -> Size:
    process = psutil.Process(child.pid)
    family = [process, *process.children(recursive=True)]
    return Size(
        bytes=sum(one.memory_info().rss for one in family), files=sum(one.num_fds() for one in family)
    )


def _growth(sizes: Sequence[Mapping[str, Size]]) -> dict[str, Size]:
    """Return by how much processes are bigger than when they had warmed up, of those that are."""
    first, last = sizes[WARMING_UP - 1], sizes[-1]
    more = {
        name: Size(bytes=last[name].bytes - first[name].bytes, files=last[name].files - first[name].files)
        for name in first
    }
    return {name: one for name, one in more.items() if one.bytes > MORE_BYTES or one.files > MORE_FILES}


def _ended(system: System) -> int:
    return _states(system)[DeliveryState.SUCCEEDED] + _states(system)[DeliveryState.FAILED]


def _states(system: System) -> Counter[str]:
    """Return how many deliveries of articles stand where."""
    counted = select(DeliveryRow.state, func.count()).where(DeliveryRow.article_id.is_not(None))
    with system.sessions() as session:
        return Counter(dict(session.execute(counted.group_by(DeliveryRow.state)).all()))
