"""Endpoints with a backlog: known by name until nothing waits for them, and never too many."""

import pytest

from publisher.ids import new_id
from publisher.notify.memory.backlogs import MOST, Backlogs
from tests.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def backlogs(clock: Clock) -> Backlogs:
    return Backlogs(clock=clock)


def test_an_endpoint_is_known_until_a_look_finds_nothing(backlogs: Backlogs) -> None:
    endpoint = new_id()
    backlogs.add([endpoint])

    backlogs.looked([endpoint], found={endpoint}, served=(), waits={})
    assert list(backlogs.all) == [endpoint]

    backlogs.looked([endpoint], found=(), served=(), waits={})
    assert list(backlogs.all) == []


def test_who_was_served_last_comes_last_and_who_was_not_keeps_its_turn(backlogs: Backlogs) -> None:
    first, second, third = (new_id() for _ in range(3))
    backlogs.add([first, second, third])

    everybody = [first, second, third]
    backlogs.looked(everybody, found=set(everybody), served={first, third}, waits={})

    assert list(backlogs.all) == [second, first, third]


def test_who_waits_for_the_first_of_its_line_rests_but_not_for_long(backlogs: Backlogs, clock: Clock) -> None:
    soon, late = new_id(), new_id()
    backlogs.add([soon, late])
    backlogs.looked([soon, late], found={soon, late}, served=(), waits={soon: 0.1, late: 300.0})
    assert list(backlogs.resting) == [soon, late]

    clock.now = 0.1
    assert list(backlogs.resting) == [late]

    clock.now = 0.5
    assert list(backlogs.resting) == []


def test_there_are_never_too_many(backlogs: Backlogs) -> None:
    backlogs.add([new_id() for _ in range(MOST + 5)])

    assert len(backlogs.all) == MOST
