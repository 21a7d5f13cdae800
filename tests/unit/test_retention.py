"""How long things are kept: what the settings accept, and what is old at an instant."""

from datetime import UTC, datetime, timedelta

import pytest

from publisher.errors import SettingsError
from publisher.prune.retention import TOMBSTONES_KEPT, Retention
from publisher.settings import load_settings

AT = datetime(2026, 5, 4, tzinfo=UTC)


@pytest.mark.parametrize("name", ["keep_days", "keep_deliveries_days"])
@pytest.mark.parametrize("days", [-1, 1, 6, 36_501])
def test_a_number_of_days_that_makes_no_sense_is_refused_by_name(name: str, days: int) -> None:
    with pytest.raises(SettingsError, match=f"^PUBLISHER_{name.upper()}: "):
        load_settings(**{name: days})


@pytest.mark.parametrize("days", [0, 7, 365])
def test_a_week_or_more_or_for_ever_is_accepted(days: int) -> None:
    assert load_settings(keep_days=days).keep_days == days


def test_what_is_from_before_so_many_days_is_old() -> None:
    old = Retention.days(30, 365).old(at=AT)

    assert old.records == AT - timedelta(days=30)
    assert old.deliveries == AT - timedelta(days=365)
    assert old.tombstones == AT - TOMBSTONES_KEPT


def test_deliveries_and_tombstones_are_kept_at_least_as_long_as_the_rest() -> None:
    old = Retention.of(load_settings(keep_days=400, keep_deliveries_days=30)).old(at=AT)

    assert old.records == old.deliveries == old.tombstones == AT - timedelta(days=400)


@pytest.mark.parametrize(("records", "deliveries"), [(0, 0), (0, 30)])
def test_nothing_is_old_of_what_is_kept_for_ever(records: int, deliveries: int) -> None:
    old = Retention.days(records, deliveries).old(at=AT)

    assert (old.records, old.deliveries, old.tombstones) == (None, None, None)


def test_deliveries_alone_can_be_kept_for_ever() -> None:
    old = Retention.days(30, 0).old(at=AT)

    assert old.records == AT - timedelta(days=30)
    assert old.deliveries is None
