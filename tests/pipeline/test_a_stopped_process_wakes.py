"""A worker or a sender is stopped (SIGSTOP) past its leases and wakes (SIGCONT): it changes nothing.

Guards: `begin` and `hold` find nothing under a token that is void; PostgreSQL ends the session of who sleeps
in a transaction (`connect`); `flush` records nothing, `Pump._is_ours` sends nothing when a lease ran out.
"""

import os
import signal
from datetime import timedelta
from pathlib import Path

import psutil

from publisher.notify.secrets.box import SecretBox
from tests.pipeline.deliveries import recorded, sent
from tests.pipeline.effects import assert_seen_once
from tests.pipeline.harmed import Harm, Point, Victim
from tests.pipeline.system import SECRET_KEY, STARTS_WITHIN_S, System
from tests.receivers import Received, Receivers, Reply
from tests.stages.subscribers import Subscribers
from tests.waiting import eventually

ARTICLES = 24
IN_FLIGHT = 12


def test_workers_that_slept_past_their_leases_change_nothing(system: System, tmp_path: Path) -> None:
    before_begin, computing, before_commit = harms = [
        Harm(point=point, signal=signal.SIGSTOP, victim=Victim.GROUP, note=tmp_path / point.name)
        for point in (Point.BEFORE_BEGIN, Point.COMPUTING, Point.BEFORE_COMMIT)
    ]
    sleepers = [system.start_harmed(harm, "worker", "--concurrency", "1") for harm in harms]
    articles = [system.submit(number) for number in range(ARTICLES)]
    system.subscribe()
    system.start("relay")
    eventually(lambda: all(harm.pid for harm in harms), within_s=STARTS_WITHIN_S)

    # Their work is sent again, and waits: whoever begins it under the old token takes it from others.
    eventually(lambda: not system.taken(), within_s=20)
    _wake(before_begin)
    _wake(computing)
    assert set(system.statuses().values()) == {"received"}
    assert system.taken() == []
    # Another one has done it.
    other = system.start("worker", "--concurrency", "1")
    system.wait_until_it_goes_on()
    system.wait_until_done(within_s=10)
    _wake(before_commit)
    assert_seen_once(system, articles, endpoints=1)
    # From then on they work as ever.
    system.kill(other)
    for sleeper in sleepers:
        os.killpg(sleeper.pid, signal.SIGCONT)
    articles += [system.submit(number) for number in range(ARTICLES, ARTICLES + len(sleepers))]
    system.wait_until_done(within_s=10)

    assert_seen_once(system, articles, endpoints=1)


def test_a_sender_that_slept_past_its_leases_records_and_sends_nothing(
    system: System, tmp_path: Path
) -> None:
    harm = Harm(
        point=Point.BEFORE_ATTEMPT,
        signal=signal.SIGSTOP,
        victim=Victim.ITSELF,
        note=tmp_path / "harm",
        task="/unsent",
    )
    first_ones: set[str] = set()

    def answer(received: Received) -> Reply:
        if received.path in first_ones:
            return Reply()
        first_ones.add(received.path)
        return Reply(status=503, held=True) if received.path != "/unsent" else Reply()

    with Receivers(answer) as receivers:
        subscribers = Subscribers(
            system.sessions, lambda path, host: receivers.url(path, host=host), box=SecretBox(SECRET_KEY)
        )
        hanging = [subscribers.subscribe(f"/{number}", host=number + 1) for number in range(IN_FLIGHT)]
        unsent = subscribers.subscribe("/unsent", host=IN_FLIGHT + 1)
        subscribers.tell(*hanging)
        sleeper = system.start_harmed(harm, "sender")
        eventually(lambda: receivers.count == IN_FLIGHT, within_s=STARTS_WITHIN_S)
        in_flight = sent(receivers)
        subscribers.tell(unsent)
        eventually(lambda: harm.pid)

        system.start("sender")
        system.wait_until_delivered(within_s=STARTS_WITHIN_S)
        receivers.release()
        _wake(harm)
        assert sleeper.stop(within=timedelta(seconds=40)) == 0

        assert in_flight.total() == IN_FLIGHT
        assert sent(receivers) - in_flight == recorded(system)
        assert set(recorded(system).values()) == {1}
        assert system.deliveries("succeeded") == len(recorded(system)) == IN_FLIGHT + 1


def _wake(harm: Harm) -> None:
    """Wake the process that reached the point; not yet its parent, which ends what runs too long."""
    assert harm.pid is not None
    stopped = psutil.Process(harm.pid)
    eventually(lambda: stopped.status() == psutil.STATUS_STOPPED)
    os.kill(harm.pid, signal.SIGCONT)
    if harm.point is not Point.BEFORE_ATTEMPT:
        eventually(lambda: harm.survived)
