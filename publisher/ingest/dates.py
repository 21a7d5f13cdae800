"""Dates as Vietnamese pages write them, read into aware instants."""

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo

from publisher.text import fold

# All patterns meet folded text: no marks, lower case, single spaces.
_WEEKDAY = r"(?:(?:thu (?:hai|ba|tu|nam|sau|bay|[2-7])|chu nhat|t[2-7]|cn)\b[ ,.]*)?"
_DAY = r"(?P<day>[0-9]{1,2})"
_NUMERIC = rf"(?:ngay )?{_DAY} ?(?P<mark>[/.-]) ?(?P<month>[0-9]{{1,2}}) ?(?P=mark) ?(?P<year>[0-9]{{4}})"
_SPOKEN = r"(?:ngay )?(?P<day>[0-9]{1,2}) thang (?P<month>[0-9]{1,2})(?:,| nam) ?(?P<year>[0-9]{4})"
_CLOCK_TIME = (
    r"(?:luc )?(?P<hour>[0-9]{1,2})(?:"
    r" ?(?::|h|g|gio) ?(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2}))?(?: ?phut)?| ?(?:h|gio))"
    r"(?: ?(?P<half>sa|ch|am|pm)\b)?"
)
_OFFSET = (
    r"(?:[ ,]*\(? ?(?:(?P<greenwich>gmt|utc) ?(?P<offset>[+-] ?[0-9]{1,2}(?::?[0-9]{2})?)?"
    r"|(?P<indochina>ict)|(?P<bare>[+-][0-9]{2}:?[0-9]{2})) ?\)?)?"
)
_BETWEEN = r"[ ,|–—-]+"
_FORMS = tuple(
    re.compile(form)
    for day in (_NUMERIC, _SPOKEN)
    for form in (
        rf"{_WEEKDAY}{day}(?:{_BETWEEN}{_CLOCK_TIME})?{_OFFSET}",
        rf"{_CLOCK_TIME}{_BETWEEN}{_WEEKDAY}{day}{_OFFSET}",
    )
)
_ISO = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9:.,]+ ?(?:Z|[+-][0-9:]+)?)?")
_YEAR = re.compile(r"[0-9]{4}")
_LONGEST = 80
_YEARS = range(1900, 2200)


def parse_date(text: str, *, local: tzinfo) -> datetime | None:
    """Return the instant that this text, as a whole, is; None if it is no date or makes no sense.

    Reads `23/11/2021 08:52`, `08:52 23/11/2021`, `Thứ Ba, 23/11/2021, 08:52 (GMT+7)`,
    `20h30 ngày 5/6/2023`, `ngày 01 tháng 10 năm 2021` and ISO 8601, whichever way the marks are encoded.
    A date without a year is no date: guessing the year is somebody else's decision.

    Args:
        local: the zone of a date that states no offset; midnight if there is no time of day.
    """
    if len(text) > 2 * _LONGEST or not _YEAR.search(text):
        return None
    iso = text.strip()
    if _ISO.fullmatch(iso):
        return _from_iso(iso, local)
    folded = fold(text).strip(" .,;|-")
    if len(folded) > _LONGEST:
        return None
    for form in _FORMS:
        if found := form.fullmatch(folded):
            return _instant(found, local)
    return None


def states_time(text: str) -> bool:
    """Return whether a date that `parse_date` reads states a time of day."""
    return re.search(r"[0-9] ?(?::|h\b|h[0-9]|g[0-9]|gio)", fold(text)) is not None


def _from_iso(text: str, local: tzinfo) -> datetime | None:
    try:
        found = datetime.fromisoformat(text.replace(" Z", "Z").replace(" +", "+"))
    except ValueError:
        return None
    if found.year not in _YEARS:
        return None
    return found if found.tzinfo else found.replace(tzinfo=local)


def _instant(found: re.Match[str], local: tzinfo) -> datetime | None:
    parts = found.groupdict()
    zone = _zone(parts, local)
    if zone is None or int(parts["year"]) not in _YEARS:
        return None
    try:
        return datetime(
            int(parts["year"]),
            int(parts["month"]),
            int(parts["day"]),
            _hour(parts),
            int(parts["minute"] or 0),
            int(parts["second"] or 0),
            tzinfo=zone,
        )
    except ValueError:
        return None


def _hour(parts: dict[str, str | None]) -> int:
    """Return the hour of 24; SA (sáng) and CH (chiều) are what Windows writes for AM and PM."""
    hour = int(parts["hour"] or 0)
    if parts["half"] in {"ch", "pm"} and hour < 12:
        return hour + 12
    return 0 if parts["half"] in {"sa", "am"} and hour == 12 else hour


def _zone(parts: dict[str, str | None], local: tzinfo) -> tzinfo | None:
    """Return the stated zone, `local` if none is stated, None if it makes no sense.

    `GMT+7` means seven hours ahead of Greenwich, as readers take it (POSIX reads it the other way round).
    """
    if parts["indochina"]:
        return timezone(timedelta(hours=7))
    stated = (parts["offset"] or parts["bare"] or "").replace(" ", "").replace(":", "")
    if not stated:
        return UTC if parts["greenwich"] else local
    digits = stated[1:]
    hours, minutes = (int(digits), 0) if len(digits) <= 2 else (int(digits[:-2]), int(digits[-2:]))
    if hours > 14 or minutes > 59:
        return None
    span = timedelta(hours=hours, minutes=minutes)
    return timezone(-span if stated[0] == "-" else span)
