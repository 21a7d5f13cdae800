"""When deliveries are tried again."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.notify.schedule import LONGEST_RETRY_AFTER, MAX_ATTEMPTS, next_attempt_at, parse_retry_after

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
jitters = st.floats(-1, 1)


def test_the_schedule_is_that_of_the_contract() -> None:
    hour, minute = 3600, 60

    pauses = [next_attempt_at(attempts, at=AT, jitter=0) - AT for attempts in range(1, 10)]

    assert [pause.total_seconds() for pause in pauses] == [
        5,
        5 * minute,
        30 * minute,
        2 * hour,
        5 * hour,
        10 * hour,
        14 * hour,
        20 * hour,
        24 * hour,
    ]


def test_after_ten_attempts_it_is_given_up() -> None:
    assert MAX_ATTEMPTS == 10
    assert next_attempt_at(9, at=AT, jitter=1) is not None
    assert next_attempt_at(10, at=AT, jitter=0) is None
    assert next_attempt_at(11, at=AT, jitter=0) is None


@given(st.integers(1, 9), jitters)
def test_the_pause_varies_by_a_fifth_at_most(attempts: int, jitter: float) -> None:
    middle = next_attempt_at(attempts, at=AT, jitter=0) - AT

    pause = next_attempt_at(attempts, at=AT, jitter=jitter) - AT

    assert middle * 0.799 <= pause <= middle * 1.201


def test_what_failed_together_comes_back_spread_out() -> None:
    earliest, latest = (next_attempt_at(2, at=AT, jitter=jitter) for jitter in (-1, 1))

    assert latest - earliest == timedelta(minutes=2)


@given(st.integers(1, 9), jitters, st.timedeltas(timedelta(), timedelta(days=2)))
def test_a_receiver_can_only_lengthen_the_pause(attempts: int, jitter: float, asked: timedelta) -> None:
    own = next_attempt_at(attempts, at=AT, jitter=jitter)

    assert next_attempt_at(attempts, at=AT, jitter=jitter, retry_after=asked) == max(own, AT + asked)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("120", timedelta(seconds=120)),
        (" 120 ", timedelta(seconds=120)),
        ("86401", LONGEST_RETRY_AFTER),
        ("9" * 30, LONGEST_RETRY_AFTER),
        ("Sun, 01 Mar 2026 12:02:00 GMT", timedelta(minutes=2)),
        ("Sunday, 01-Mar-26 12:02:00 GMT", timedelta(minutes=2)),
        ("Sun Mar  1 12:02:00 2026", timedelta(minutes=2)),
        ("Sun, 01 Mar 2026 19:02:00 +0700", timedelta(minutes=2)),
        ("Sun, 01 Mar 2099 12:00:00 GMT", LONGEST_RETRY_AFTER),
        ("Sun, 01 Mar 2026 12:00:00 GMT", None),
        ("Sun, 01 Mar 2020 12:00:00 GMT", None),
        ("0", None),
        ("-5", None),
        ("+5", None),
        ("1.5", None),
        ("1e3", None),
        ("١٢٠", None),
        ("9" * 5000, None),
        ("soon", None),
        ("Sun, 99 Mar 2026 12:00:00 GMT", None),
        ("Sun, 01 Mar 2026 12:00:00 +999999", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_read_in_both_forms_and_garbage_ignored(
    header: str | None, expected: timedelta | None
) -> None:
    assert parse_retry_after(header, at=AT) == expected


@given(st.one_of(st.text(), st.from_regex(r"[A-Za-z]{0,4},? ?[0-9 A-Za-z:+\-]{0,40}")))
def test_any_header_is_read_without_an_error_and_within_bounds(header: str) -> None:
    wait = parse_retry_after(header, at=AT)

    assert wait is None or timedelta() < wait <= LONGEST_RETRY_AFTER


@given(st.integers(-20 * 365 * 86400, 60 * 365 * 86400).map(lambda seconds: AT + timedelta(seconds=seconds)))
def test_any_date_is_kept_to_the_second(until: datetime) -> None:
    wait = parse_retry_after(format_datetime(until, usegmt=True), at=AT)

    assert wait == (min(until - AT, LONGEST_RETRY_AFTER) if until > AT else None)
