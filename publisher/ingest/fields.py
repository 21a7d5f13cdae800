"""The kinds of fields that come in, each with its rule: text, line, address, name, language, instant."""

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, WithJsonSchema

from publisher.field_problems import expected
from publisher.ingest.cleaning.addresses import LONGEST_ADDRESS, address_problem
from publisher.text import clean, clean_line, forbidden_characters

LONGEST_TITLE = 500
LONGEST_NAME = 1_000
LONGEST_LABEL = 100
_LONGEST_LINE = 1_000
_LONGEST_SUMMARY = 10_000

_LONE_SURROGATES = re.compile("[\ud800-\udfff]")
# The control characters that text may have and a name may not.
_CONTROL = re.compile("[\t\n\r\x85]")
_INSTANT = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d+))?(?:([Zz])|([+-]\d\d:\d\d))", re.ASCII
)
_EARLIEST_YEAR, _LATEST_YEAR = 1900, 2100
# RFC 5646, section 2.1, without the registered exceptions of old.
_LANGUAGE = re.compile(
    r"(?:[a-z]{2,3}(?:-[a-z]{3}){0,3}|[a-z]{4,8})(?:-[a-z]{4})?(?:-(?:[a-z]{2}|\d{3}))?"
    r"(?:-(?:[a-z\d]{5,8}|\d[a-z\d]{3}))*(?:-[a-wyz\d](?:-[a-z\d]{2,8})+)*(?:-x(?:-[a-z\d]{1,8})+)?",
    re.ASCII | re.IGNORECASE,
)
_LONGEST_LANGUAGE = 35
# RFC 6838, section 4.2: a restricted name.
_PICTURE_TYPE = re.compile(r"image/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}", re.ASCII | re.IGNORECASE)
# Any JSON parser keeps whole numbers up to here (RFC 8259, section 6).
_MOST_BYTES = 2**53
_EMAIL = re.compile(r"[^@\s<>\"(),:;]+@[^@\s<>\"(),:;]+")


def _encodable(value: object) -> object:
    # JSON can write half a character ("\ud800"). It counts as a control character: removed or refused.
    return _LONE_SURROGATES.sub("\x00", value) if isinstance(value, str) else value


def _visible(value: str) -> str:
    if not clean(value).strip():
        raise expected("expected text that is not empty")
    return value


def _title(value: str) -> str:
    if len(clean_line(_visible(value))) > LONGEST_TITLE:
        raise expected(f"expected at most {LONGEST_TITLE} characters")
    return value


def _label(value: str) -> str:
    if len(clean_line(_visible(value))) > LONGEST_LABEL:
        raise expected(f"expected at most {LONGEST_LABEL} characters")
    return value


def _address(value: str) -> str:
    if problem := address_problem(value):
        raise expected(problem)
    return value


def _name(value: str) -> str:
    if not value or len(value) > LONGEST_NAME:
        raise expected(f"expected 1 to {LONGEST_NAME} characters")
    if forbidden_characters(value) or _CONTROL.search(value):
        raise expected("expected a name without control characters")
    return value


def _language(value: str) -> str:
    if len(value) > _LONGEST_LANGUAGE or not _LANGUAGE.fullmatch(value):
        raise expected("expected a BCP 47 language tag such as vi or en-GB")
    return value


def _email(value: str) -> str:
    if len(value) > 254 or clean(value) != value or not _EMAIL.fullmatch(value):
        raise expected("expected an e-mail address such as name@example.org")
    return value


def _picture_type(value: str) -> str:
    if not _PICTURE_TYPE.fullmatch(value):
        raise expected("expected the media type of a picture, such as image/jpeg, without parameters")
    return value.lower()


def _instant(value: object) -> datetime:
    written = _INSTANT.fullmatch(value) if isinstance(value, str) else None
    if not written:
        raise expected("expected RFC 3339 with an offset, such as 2021-11-23T08:52:00+07:00")
    day, time, fraction, _, offset = written.groups()
    try:
        microseconds = (fraction or "")[:6].ljust(6, "0")
        instant = datetime.fromisoformat(f"{day}T{time}.{microseconds}{offset or '+00:00'}")
    except ValueError:
        raise expected("expected a day and time that exist, in RFC 3339 with an offset") from None
    if not _EARLIEST_YEAR <= instant.year <= _LATEST_YEAR:
        raise expected(f"expected a year from {_EARLIEST_YEAR} to {_LATEST_YEAR}")
    return instant.astimezone(UTC)


_String = Annotated[str, BeforeValidator(_encodable)]
_Line = Annotated[str, StringConstraints(max_length=_LONGEST_LINE), BeforeValidator(_encodable)]

Body = Annotated[_String, AfterValidator(_visible)]
Title = Annotated[_String, AfterValidator(_title)]
Label = Annotated[_String, AfterValidator(_label)]
Line = Annotated[_Line, AfterValidator(_visible)]
Remark = _Line
Summary = Annotated[str, StringConstraints(max_length=_LONGEST_SUMMARY), BeforeValidator(_encodable)]
Address = Annotated[
    _String,
    AfterValidator(_address),
    WithJsonSchema({"type": "string", "format": "uri", "maxLength": LONGEST_ADDRESS}),
]
Name = Annotated[
    _String,
    AfterValidator(_name),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": LONGEST_NAME}),
]
Language = Annotated[_String, AfterValidator(_language)]
Email = Annotated[
    _String, AfterValidator(_email), WithJsonSchema({"type": "string", "format": "email", "maxLength": 254})
]
PictureType = Annotated[_String, AfterValidator(_picture_type)]
Length = Annotated[int, Field(strict=True, ge=0, le=_MOST_BYTES)]
Instant = Annotated[
    datetime, BeforeValidator(_instant), WithJsonSchema({"type": "string", "format": "date-time"})
]
