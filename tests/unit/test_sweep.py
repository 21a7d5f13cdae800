"""How far a look has come: nobody is passed over for ever, and nobody new waits for a long line."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from publisher.notify.memory.sweep import WALK, Stretch, Sweep

START = datetime(2026, 11, 29, tzinfo=UTC)
LATER = START + timedelta(seconds=1)


def test_a_shard_is_walked_along_from_its_beginning() -> None:
    assert Sweep().stretches([3, 1]) == [Stretch(shard=1), Stretch(shard=3)]


def test_a_long_shard_goes_on_where_the_last_look_ended_and_shows_what_is_recent() -> None:
    sweep = Sweep()

    sweep.walked(sweep.stretches([1, 2]), reached={1: START}, cut=())

    assert sweep.is_under_way
    assert sweep.stretches([1, 2]) == [
        Stretch(shard=1, start=START),
        Stretch(shard=2),
        Stretch(shard=1, recent=True),
    ]


def test_after_its_end_a_shard_begins_anew() -> None:
    sweep = Sweep()
    sweep.walked(sweep.stretches([1]), reached={1: START}, cut=())

    sweep.walked(sweep.stretches([1]), reached={}, cut=())

    assert not sweep.is_under_way
    assert sweep.stretches([1]) == [Stretch(shard=1)]


def test_where_there_was_more_to_send_the_next_look_begins_at_the_same_place() -> None:
    sweep = Sweep()
    sweep.walked(sweep.stretches([1]), reached={1: START}, cut=())

    sweep.walked(sweep.stretches([1]), reached={}, cut={1})

    assert Stretch(shard=1, start=START) in sweep.stretches([1])


def test_what_is_due_at_one_instant_is_walked_along_further_each_time() -> None:
    sweep = Sweep()
    for _ in range(3):
        sweep.walked(sweep.stretches([1]), reached={1: START}, cut=())

    assert Stretch(shard=1, start=START, walk=4 * WALK) in sweep.stretches([1])

    sweep.walked(sweep.stretches([1]), reached={1: LATER}, cut=())

    assert Stretch(shard=1, start=LATER) in sweep.stretches([1])


def test_a_shard_that_is_not_ours_any_more_is_forgotten() -> None:
    sweep = Sweep()
    sweep.walked(sweep.stretches([1]), reached={1: START}, cut=())

    assert sweep.stretches([2]) == [Stretch(shard=2)]
    assert not sweep.is_under_way


@given(st.lists(st.integers(min_value=0, max_value=5), max_size=60))
def test_every_delivery_is_passed_in_a_sweep_whatever_is_due_together(instants: list[int]) -> None:
    due = [START + timedelta(seconds=number) for number in sorted(instants)]
    sweep, passed = Sweep(), set()

    # As the record answers, with a walk of 7 in the place of 4,000.
    for _ in range(100):
        (stretch, *_) = sweep.stretches([1])
        walk = 7 * stretch.walk // WALK
        seen = [number for number, one in enumerate(due) if stretch.start is None or one >= stretch.start]
        passed |= set(seen[:walk])
        end = {1: due[seen[walk - 1]]} if len(seen) >= walk else {}
        sweep.walked([stretch], reached=end, cut=())
        if not sweep.is_under_way:
            break

    assert passed == set(range(len(due)))
    assert not sweep.is_under_way
