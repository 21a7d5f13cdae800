"""Slow endpoints leave three quarters of a sender's slots to the others."""

from uuid import UUID

import pytest

from publisher.ids import new_id
from publisher.notify.claimed import Claimed
from publisher.notify.memory.flights import Flights, most_in_flight
from tests.claims import claimed_for
from tests.clock import Clock

SLOTS = 100
A_QUARTER = SLOTS // 4


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def flights(clock: Clock) -> Flights:
    return Flights(SLOTS, clock=clock)


def request(endpoint: UUID, *, max_in_flight: int = SLOTS) -> Claimed:
    """Return a delivery to an endpoint."""
    return claimed_for(endpoint, max_in_flight=max_in_flight)


def begin(flights: Flights, count: int, *, to: UUID | None = None) -> list[Claimed]:
    """Begin requests, to one endpoint or to as many."""
    begun = [request(to or new_id()) for _ in range(count)]
    for one in begun:
        flights.begin(one)
    return begun


def slots(flights: Flights) -> tuple[int, int]:
    """Return how many requests may begin, and how many of them to slow endpoints."""
    room = flights.room([])
    return room.slots, room.slots_of_slow


def test_a_request_takes_a_slot_until_it_ends(flights: Flights) -> None:
    first, _ = begin(flights, 2)
    assert slots(flights) == (SLOTS - 2, A_QUARTER)

    flights.end(first)

    assert slots(flights) == (SLOTS - 1, A_QUARTER)


def test_what_slow_endpoints_have_beyond_a_quarter_takes_no_slot(flights: Flights, clock: Clock) -> None:
    begin(flights, 40)
    assert slots(flights)[0] == SLOTS - 40

    clock.now = 1.0

    assert slots(flights) == (SLOTS - A_QUARTER, 0)


def test_there_are_never_more_requests_than_half_as_much_again(flights: Flights, clock: Clock) -> None:
    begin(flights, SLOTS)
    clock.now = 1.0
    begin(flights, slots(flights)[0])
    clock.now = 2.0

    assert flights.count == most_in_flight(SLOTS) == SLOTS + SLOTS // 2
    assert slots(flights) == (0, 0)
    assert not flights.has_room


def test_slow_endpoints_are_left_out_until_half_of_their_quarter_is_free(
    flights: Flights, clock: Clock
) -> None:
    endpoint = new_id()
    begun = begin(flights, A_QUARTER, to=endpoint)
    clock.now = 1.0
    room = flights.room([])
    assert (room.full, room.slow) == ([endpoint], {endpoint})
    *first, last = begun[: A_QUARTER // 2 + 1]

    assert [flights.end(one) for one in first] == [False] * len(first)
    assert flights.room([]).full == [endpoint]

    assert flights.end(last)
    assert flights.room([]).full == []
    assert slots(flights)[1] == len(first) + 1


def test_an_endpoint_that_gets_nothing_for_a_minute_is_not_slow_any_more(
    flights: Flights, clock: Clock
) -> None:
    (late,) = begin(flights, 1)
    (hanging,) = begin(flights, 1)
    clock.now = 2.0
    flights.end(late)

    clock.now = 62.0

    assert flights.room([]).slow == {hanging.endpoint_id}


def test_who_is_refused_stays_out_until_a_request_ends(flights: Flights) -> None:
    first, second = begin(flights, 2, to=new_id())
    idle = new_id()

    flights.refuse({first.endpoint_id, idle})

    assert flights.room([]).full == [first.endpoint_id]
    assert flights.end(second)
    assert flights.room([]).full == []


def test_an_endpoint_is_quick_again_with_the_first_quick_answer(flights: Flights, clock: Clock) -> None:
    endpoint = new_id()
    (late,) = begin(flights, 1, to=endpoint)
    clock.now = 5.0
    (soon,) = begin(flights, 1, to=endpoint)
    flights.end(soon)
    assert flights.room([]).slow == {endpoint}, "one still hangs"

    flights.end(late)
    assert flights.room([]).slow == {endpoint}, "that was no quick answer"
    (soon,) = begin(flights, 1, to=endpoint)
    clock.now = 5.9
    flights.end(soon)

    assert flights.room([]).slow == frozenset()
    assert slots(flights) == (SLOTS, A_QUARTER)


def test_an_endpoint_that_has_all_it_takes_is_full_until_one_ends(flights: Flights) -> None:
    one = request(new_id(), max_in_flight=1)
    flights.begin(one)
    assert flights.room([]).full == [one.endpoint_id]

    assert flights.end(one)
    assert flights.room([]).full == []
