"""Dates as Vietnamese pages write them are read into aware instants, and nothing else is."""

import unicodedata
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.ingest.dates import parse_date, states_time

LOCAL = ZoneInfo("Asia/Ho_Chi_Minh")
FORMS = {
    "23/11/2021 08:52": "2021-11-23T08:52:00+07:00",
    "23/11/2021 \u00a0 08:52": "2021-11-23T08:52:00+07:00",
    "08:52 23/11/2021": "2021-11-23T08:52:00+07:00",
    "08:52 | 23/11/2021": "2021-11-23T08:52:00+07:00",
    "23/11/2021 - 08:52:07": "2021-11-23T08:52:07+07:00",
    "23/11/2021": "2021-11-23T00:00:00+07:00",
    "3.1.2021": "2021-01-03T00:00:00+07:00",
    "03-01-2021": "2021-01-03T00:00:00+07:00",
    "Thứ Ba, 23/11/2021, 08:52 (GMT+7)": "2021-11-23T08:52:00+07:00",
    "Thứ 5, 28/05/2026 17:00:00 GMT+7": "2026-05-28T17:00:00+07:00",
    "Chủ nhật, ngày 05/06/2023 | 20:01 GMT+07:00": "2023-06-05T20:01:00+07:00",
    "THỨ HAI, 22/11/2021 10:00 (UTC+9)": "2021-11-22T10:00:00+09:00",
    "23/11/2021 08:52 GMT": "2021-11-23T08:52:00+00:00",
    "23/11/2021 08:52 ICT": "2021-11-23T08:52:00+07:00",
    "23/11/2021 08:52 (GMT-5)": "2021-11-23T08:52:00-05:00",
    "20h30 ngày 5/6/2023": "2023-06-05T20:30:00+07:00",
    "5/6/2023 8 giờ 30 phút": "2023-06-05T08:30:00+07:00",
    "05/06/2023 2:15 CH": "2023-06-05T14:15:00+07:00",
    "05/06/2023 12:15 SA": "2023-06-05T00:15:00+07:00",
    "ngày 01 tháng 10 năm 2021": "2021-10-01T00:00:00+07:00",
    "1 tháng 10, 2021": "2021-10-01T00:00:00+07:00",
    "Ngày 01 tháng 10 năm 2021, lúc 7h05": "2021-10-01T07:05:00+07:00",
    "2021-11-23": "2021-11-23T00:00:00+07:00",
    "2021-11-23T08:52:00+0700": "2021-11-23T08:52:00+07:00",
    "2021-11-23T01:52:00Z": "2021-11-23T01:52:00+00:00",
    "2021-11-23 08:52": "2021-11-23T08:52:00+07:00",
}


@pytest.mark.parametrize(("text", "expected"), FORMS.items())
def test_each_form_of_a_date_is_read(text: str, expected: str) -> None:
    found = parse_date(text, local=LOCAL)

    assert found is not None
    assert found.isoformat() == expected


@pytest.mark.parametrize("text", FORMS)
def test_a_date_reads_the_same_however_its_marks_are_encoded(text: str) -> None:
    decomposed = unicodedata.normalize("NFD", text)

    assert parse_date(decomposed, local=LOCAL) == parse_date(text, local=LOCAL)


@pytest.mark.parametrize(
    "text",
    [
        *("32/13/2021", "29/02/2023", "31/04/2021", "23/11/2021 25:00", "23/11/2021 08:61", "00/01/2021"),
        *("23/11", "17/4", "2,5", "tháng 10/2020", "quý III/2021", "năm 2021", "9 tháng đầu năm", ""),
        *("23/11-2021", "23/11/21", "Ngày 17/4, Bộ họp", "Sửa đổi ngày 19/6/2020 của Quốc hội", "hôm qua"),
        *("0001-01-01", "9999-12-31T23:59:59-14:00", "01/01/0001", "2021-13-01", "23/11/2021 (GMT+25)"),
        *("٢٣/١١/٢٠٢١", "23/11/2021 " * 50, "2021-11-23T08:52:00+99:99"),
    ],
)
def test_what_makes_no_sense_is_no_date(text: str) -> None:
    assert parse_date(text, local=LOCAL) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [("23/11/2021 08:52", True), ("20h30 ngày 5/6/2023", True), ("Thứ Ba, 23/11/2021", False)],
)
def test_a_date_tells_whether_it_states_a_time_of_day(text: str, *, expected: bool) -> None:
    assert states_time(text) is expected


@given(st.datetimes(datetime(1900, 1, 1), datetime(2199, 12, 31)), st.integers(-14, 14))  # noqa: DTZ001 - hypothesis
def test_a_written_date_reads_back(moment: datetime, hours: int) -> None:
    zone = timezone(timedelta(hours=hours)) if hours else UTC
    expected = moment.replace(second=0, microsecond=0, tzinfo=zone)

    found = parse_date(f"{expected:%d/%m/%Y, %H:%M} (GMT{hours:+d})", local=LOCAL)

    assert found == expected


@given(st.text())
def test_any_text_is_a_date_or_none(text: str) -> None:
    found = parse_date(text, local=LOCAL)

    assert found is None or found.tzinfo is not None
