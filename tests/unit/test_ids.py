"""Identifiers that sort by time and name an article for ever."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from publisher.ids import article_uri, first_id_of, made_at, new_id


def test_identifiers_are_uuids_of_version_7() -> None:
    identifier = new_id()

    assert identifier.version == 7
    assert identifier.variant == "specified in RFC 4122"


def test_identifiers_never_repeat() -> None:
    assert len({new_id() for _ in range(10_000)}) == 10_000


def test_identifiers_sort_in_the_order_in_which_a_process_makes_them() -> None:
    identifiers = [new_id() for _ in range(10_000)]

    assert sorted(identifiers) == identifiers


def test_threads_share_the_order() -> None:
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda _: [new_id() for _ in range(500)], range(16)))

    assert all(sorted(some) == some for some in made)
    assert len({one for some in made for one in some}) == 8_000


def test_a_clock_that_is_set_back_a_little_changes_no_order_and_one_set_back_far_is_followed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = time.time_ns() + 60 * 10**9
    times = iter([now, now - 10**8, now - 10 * 10**9])
    monkeypatch.setattr("publisher.ids.time.time_ns", lambda: next(times))

    first, little, far = (new_id() for _ in range(3))

    assert first < little
    assert made_at(far) < made_at(first) - timedelta(seconds=9)


def test_an_identifier_tells_when_it_was_made() -> None:
    before = datetime.now(UTC)

    identifier = new_id()

    after = datetime.now(UTC)
    assert before - timedelta(milliseconds=1) <= made_at(identifier) <= after


def test_no_identifier_of_an_instant_is_under_its_first() -> None:
    identifier = new_id()
    made = made_at(identifier)

    first = first_id_of(made + timedelta(microseconds=999))

    assert (first.version, made_at(first)) == (7, made)
    assert first_id_of(made) == first <= identifier < first_id_of(made + timedelta(milliseconds=1))


def test_identifiers_begin_with_1970() -> None:
    assert made_at(first_id_of(datetime.min.replace(tzinfo=UTC))) == datetime(1970, 1, 1, tzinfo=UTC)


def test_the_uri_carries_the_utc_date_on_which_the_identifier_was_made() -> None:
    identifier = UUID("017f22e2-79b0-7cc3-98c4-dc0c0c07398f")  # the example of RFC 9562, appendix A.6

    uri = article_uri(identifier, "news.example.org")

    assert uri == "tag:news.example.org,2022-02-22:article/017f22e2-79b0-7cc3-98c4-dc0c0c07398f"
