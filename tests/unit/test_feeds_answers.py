"""So many make something at once; whoever comes on top is asked to come back, and disturbs nobody."""

import pytest

from feeds.answers import FewAtOnce
from publisher.api.problems import Refused


def test_whoever_comes_on_top_is_asked_to_come_back() -> None:
    few = FewAtOnce(2, what="lists")

    with few, few, pytest.raises(Refused) as refused:
        few.__enter__()

    assert refused.value.problem.status == 429
    assert "retry-after" in {name.lower() for name in refused.value.problem.headers}


def test_who_has_ended_makes_room_even_by_an_error() -> None:
    few = FewAtOnce(1, what="lists")

    for _ in range(3):
        with pytest.raises(ValueError, match="x"), few:
            raise ValueError("x")

    with few:
        pass


def test_a_function_that_it_decorates_keeps_what_it_is_asked_with() -> None:
    @FewAtOnce(1, what="lists")
    def twice(number: int) -> int:
        return 2 * number

    assert [twice(2), twice(number=3)] == [4, 6]
