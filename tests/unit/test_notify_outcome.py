"""What follows from the answer to an attempt."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.notify.outcome import Answer, Consequence, DeliveryState, ErrorKind, judge

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
answers = st.one_of(
    st.builds(
        Answer, status=st.integers(100, 999), headers=st.dictionaries(st.just("retry-after"), st.text())
    ),
    st.builds(Answer, error=st.sampled_from(ErrorKind)),
)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_has_succeeded(status: int) -> None:
    outcome = judge(Answer(status=status), attempts=1, at=AT, jitter=0)

    assert outcome.state is DeliveryState.SUCCEEDED
    assert outcome.next_attempt_at is None


@pytest.mark.parametrize(
    "status", [101, 199, 300, 301, 302, 303, 304, 307, 308, 400, 401, 404, 422, 429, 500, 503, 999]
)
def test_everything_else_is_tried_again(status: int) -> None:
    outcome = judge(Answer(status=status), attempts=1, at=AT, jitter=0)

    assert outcome.state is DeliveryState.PENDING
    assert outcome.next_attempt_at == AT + timedelta(seconds=5)
    assert outcome.consequence is None


@pytest.mark.parametrize("error", ErrorKind)
def test_an_attempt_without_an_answer_is_tried_again(error: ErrorKind) -> None:
    outcome = judge(Answer(error=error), attempts=2, at=AT, jitter=0)

    assert outcome.state is DeliveryState.PENDING
    assert outcome.next_attempt_at == AT + timedelta(minutes=5)


def test_after_the_last_attempt_it_has_failed() -> None:
    outcome = judge(Answer(status=500), attempts=10, at=AT, jitter=0)

    assert outcome.state is DeliveryState.FAILED
    assert outcome.next_attempt_at is None


@pytest.mark.parametrize("attempts", [1, 10])
def test_410_holds_the_delivery_and_disables_the_endpoint(attempts: int) -> None:
    outcome = judge(Answer(status=410, headers={"retry-after": "60"}), attempts=attempts, at=AT, jitter=0)

    assert outcome.state is DeliveryState.HELD
    assert outcome.consequence is Consequence.ENDPOINT_GONE
    assert outcome.next_attempt_at is None


def test_retry_after_moves_the_next_attempt_and_pauses_the_endpoint() -> None:
    outcome = judge(Answer(status=429, headers={"retry-after": "120"}), attempts=1, at=AT, jitter=0)

    assert outcome.next_attempt_at == outcome.paused_until == AT + timedelta(minutes=2)


def test_retry_after_pauses_the_endpoint_even_when_this_delivery_is_given_up() -> None:
    outcome = judge(Answer(status=503, headers={"retry-after": "120"}), attempts=10, at=AT, jitter=0)

    assert outcome.state is DeliveryState.FAILED
    assert outcome.paused_until == AT + timedelta(minutes=2)


def test_retry_after_on_success_means_nothing() -> None:
    assert (
        judge(Answer(status=200, headers={"retry-after": "120"}), attempts=1, at=AT, jitter=0).paused_until
        is None
    )


@given(answers, st.integers(1, 12), st.floats(-1, 1))
def test_a_next_attempt_is_set_exactly_when_pending(answer: Answer, attempts: int, jitter: float) -> None:
    outcome = judge(answer, attempts=attempts, at=AT, jitter=jitter)

    assert (outcome.state is DeliveryState.PENDING) == (outcome.next_attempt_at is not None)
    assert outcome.next_attempt_at is None or outcome.next_attempt_at > AT
    assert (outcome.consequence is Consequence.ENDPOINT_GONE) == (answer.status == 410)


@given(st.binary())
def test_any_body_becomes_text_that_the_record_can_hold(body: bytes) -> None:
    text = Answer(status=200, body=body).text

    assert "\x00" not in text
    text.encode()
