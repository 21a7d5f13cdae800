"""Token buckets: an endpoint is sent no more than it says, whoever sends."""

import pytest

from publisher.ids import new_id
from publisher.notify.memory.rates import Rates, tokens_since
from tests.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def rates(clock: Clock) -> Rates:
    return Rates(clock=clock)


def test_a_bucket_begins_empty_with_the_term_in_which_its_shard_is_ours() -> None:
    assert tokens_since(10.0, 4.0, at=10.0) == 0
    assert tokens_since(10.0, 4.0, at=10.5) == 2
    assert tokens_since(10.0, 4.0, at=100.0) == 4


@pytest.mark.parametrize("rate", [0.1, 0.9])
def test_a_bucket_holds_at_least_one_request(rate: float) -> None:
    assert tokens_since(0.0, rate, at=1_000.0) == 1


def test_a_minute_brings_no_more_than_the_rate_and_one_burst(rates: Rates, clock: Clock) -> None:
    endpoint, sent = new_id(), 0
    for tenth in range(600):
        clock.now = tenth / 10
        while rates.tokens().get(endpoint, tokens_since(-100.0, 5.0, at=clock.now)) >= 1:
            rates.take(endpoint, 5.0, since=-100.0)
            sent += 1

    assert sent == pytest.approx(60 * 5, abs=5)


def test_a_minute_brings_no_more_across_four_senders_that_follow_each_other(clock: Clock) -> None:
    endpoint, sent = new_id(), 0
    for quarter in range(4):
        rates, since = Rates(clock=clock), quarter * 15.0
        for tenth in range(150):
            clock.now = since + tenth / 10
            while rates.tokens().get(endpoint, tokens_since(since, 5.0, at=clock.now)) >= 1:
                rates.take(endpoint, 5.0, since=since)
                sent += 1

    assert 280 <= sent <= 300


def test_it_is_known_when_the_next_request_may_begin(rates: Rates, clock: Clock) -> None:
    endpoint = new_id()
    rates.take(endpoint, 2.0, since=-100.0)
    assert rates.opens_in(endpoint) == 0

    rates.take(endpoint, 2.0, since=-100.0)
    assert rates.opens_in(endpoint) == 0.5

    clock.now = 0.25
    assert rates.opens_in(endpoint) == 0.25


def test_full_buckets_are_forgotten(rates: Rates, clock: Clock) -> None:
    endpoint = new_id()
    rates.take(endpoint, 2.0, since=-100.0)
    assert rates.tokens() == {endpoint: 1.0}

    clock.now = 0.5

    assert rates.tokens() == {}


def test_another_rate_counts_from_the_next_request_on(rates: Rates, clock: Clock) -> None:
    endpoint = new_id()
    for _ in range(2):
        rates.take(endpoint, 2.0, since=-100.0)
    rates.take(endpoint, 100.0, since=-100.0)

    clock.now = 0.02

    assert rates.opens_in(endpoint) == 0
