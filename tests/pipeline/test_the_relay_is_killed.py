"""The relay is killed (-9) after it leased work, before or after it sent it: nothing is lost or doubled.

Guards: the lease that runs out (`take_back`), and the lease that is renewed while its message waits.
"""

from pathlib import Path
from signal import SIGKILL
from uuid import UUID

from tests.pipeline.effects import assert_seen_once
from tests.pipeline.harmed import Harm, Point, Victim
from tests.pipeline.system import STARTS_WITHIN_S, System
from tests.waiting import eventually

ARTICLES = 8


def test_what_the_killed_relay_had_leased_but_not_sent_is_sent_by_the_next(
    system: System, tmp_path: Path
) -> None:
    articles = _killed_relay(system, Point.BEFORE_SENDING, tmp_path)
    assert system.waiting_events() == []

    system.start("worker", "--concurrency", "1")
    system.start("relay")
    system.wait_until_it_goes_on()
    system.wait_until_done(within_s=10)

    assert_seen_once(system, articles)


def test_what_the_killed_relay_had_sent_is_worked_on_once(system: System, tmp_path: Path) -> None:
    articles = _killed_relay(system, Point.AFTER_SENDING, tmp_path)
    assert len(system.waiting_events()) == 1

    system.start("worker", "--concurrency", "1")
    eventually(lambda: system.steps("enrich") == 1, within_s=STARTS_WITHIN_S)
    system.start("relay")
    system.expire_leases()
    system.wait_until_it_goes_on()
    system.wait_until_done(within_s=10)

    assert_seen_once(system, articles)


def test_messages_that_wait_longer_than_their_lease_are_not_sent_again(system: System) -> None:
    for number in range(4):
        system.submit(number)
    system.start("relay")
    eventually(lambda: system.waiting() == 4, within_s=STARTS_WITHIN_S)
    sent = system.waiting_events()

    system.expire_leases()
    eventually(lambda: system.leased() == 4)

    assert system.waiting_events() == sent


def _killed_relay(system: System, point: Point, folder: Path) -> list[UUID]:
    """Return articles whose work a relay has leased, and died."""
    harm = Harm(point=point, signal=SIGKILL, victim=Victim.ITSELF, note=folder / "harm")
    articles = [system.submit(number) for number in range(ARTICLES)]
    relay = system.start_harmed(harm, "relay")
    eventually(lambda: not relay.running, within_s=STARTS_WITHIN_S)
    assert system.leased() == ARTICLES
    return articles
