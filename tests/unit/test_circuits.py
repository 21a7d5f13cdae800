"""Circuit breakers: who does nothing but fail is left alone, longer each time, and asked by one request."""

from uuid import UUID

import pytest

from publisher.ids import new_id
from publisher.notify.claimed import Claimed
from publisher.notify.memory.circuits import FIRST_S, LONGEST_S, UNANSWERED, WINDOW_S, Circuit, Circuits
from publisher.notify.outcome import Answer, ErrorKind
from tests.claims import claimed_for
from tests.clock import Clock

TAKEN, REFUSED = Answer(status=204), Answer(status=500)
UNREACHED = Answer(error=ErrorKind.CONNECT)
OPENS = Circuit(breaks=1, open_s=FIRST_S)
ENDPOINT = new_id()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def circuits(clock: Clock) -> Circuits:
    return Circuits(clock=clock)


def request(*, breaks: int = 0, endpoint: UUID = ENDPOINT) -> Claimed:
    """Return a delivery; with `breaks` it is a probe."""
    return claimed_for(endpoint, breaks=breaks)


def ends(circuits: Circuits, *answers: Answer) -> list[Circuit | None]:
    """Let requests end; return what became of the circuit each time."""
    return [circuits.ended(request(), answer) for answer in answers]


def test_a_circuit_opens_when_most_of_ten_requests_failed(circuits: Circuits) -> None:
    answers = [REFUSED] * 6 + [TAKEN] * 3

    assert ends(circuits, *answers) == [None] * 9
    assert ends(circuits, REFUSED) == [OPENS]


def test_a_circuit_stays_closed_when_a_good_part_succeeds(circuits: Circuits) -> None:
    assert ends(circuits, *[REFUSED, TAKEN] * 50) == [None] * 100


def test_a_circuit_opens_when_several_in_a_row_brought_no_answer(circuits: Circuits) -> None:
    nearly = [UNREACHED] * (UNANSWERED - 1)

    assert ends(circuits, *nearly, REFUSED, *nearly) == [None] * (2 * UNANSWERED - 1)
    assert ends(circuits, UNREACHED) == [OPENS]


def test_what_is_long_ago_does_not_count(circuits: Circuits, clock: Clock) -> None:
    ends(circuits, *[REFUSED] * 9)
    clock.now = WINDOW_S

    assert ends(circuits, *[REFUSED] * 9) == [None] * 9
    assert ends(circuits, REFUSED) == [OPENS]


def test_whoever_says_that_it_is_gone_is_not_broken(circuits: Circuits) -> None:
    assert ends(circuits, *[Answer(status=410)] * 50) == [None] * 50


def test_whoever_says_what_it_wants_is_not_broken(circuits: Circuits) -> None:
    assert [circuits.ended(request(), REFUSED, says_what_it_wants=True) for _ in range(50)] == [None] * 50


def test_whoever_says_it_in_a_way_that_nobody_can_keep_is(circuits: Circuits) -> None:
    garbage = Answer(status=503, headers={"retry-after": "soon"})

    assert ends(circuits, *[garbage] * 10)[-1] == OPENS


def test_what_had_begun_before_it_opened_changes_nothing(circuits: Circuits, clock: Clock) -> None:
    ends(circuits, *[UNREACHED] * UNANSWERED)
    clock.now = FIRST_S - 1

    assert ends(circuits, TAKEN, *[UNREACHED] * UNANSWERED, REFUSED) == [None] * (UNANSWERED + 2)


def test_a_probe_that_is_told_when_to_come_again_opens_nothing(circuits: Circuits) -> None:
    assert circuits.ended(request(breaks=6), REFUSED, says_what_it_wants=True) is None


def test_it_is_open_for_twice_as_long_each_time_but_never_for_more_than_an_hour(
    circuits: Circuits, clock: Clock
) -> None:
    ends(circuits, *[UNREACHED] * UNANSWERED)
    lasted = []
    for breaks in range(1, 12):
        clock.now += LONGEST_S + 1
        again = circuits.ended(request(breaks=breaks), REFUSED)
        assert again is not None
        assert again.breaks == breaks + 1
        lasted.append(again.open_s)

    assert lasted == [60, 120, 240, 480, 960, 1920, *[LONGEST_S] * 5]


def test_a_probe_that_succeeds_closes_it_whoever_opened_it(circuits: Circuits) -> None:
    assert circuits.ended(request(breaks=3), TAKEN) == Circuit()
    assert ends(circuits, *[REFUSED] * 9) == [None] * 9


def test_endpoints_do_not_break_each_other(circuits: Circuits) -> None:
    for _ in range(9):
        circuits.ended(request(), REFUSED)

    assert circuits.ended(request(endpoint=new_id()), REFUSED) is None


def test_what_has_not_failed_lately_is_forgotten(circuits: Circuits, clock: Clock) -> None:
    ends(circuits, REFUSED)
    clock.now = WINDOW_S

    circuits.forget_old()

    assert ENDPOINT not in circuits
