"""What a reader's headers ask for: conditions and preferences of RFC 9110."""

from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.serving.conditional import (
    Coding,
    choose_coding,
    entity_tag,
    is_current,
    is_unmodified,
    last_modified,
    prefers_html,
    takes_deltas,
    versions_in,
)

AT = datetime(2021, 11, 23, 12, 0, tzinfo=UTC)
CHANGED = datetime(2021, 11, 23, 1, 52, 7, 600_000, tzinfo=UTC)
AGES = st.timedeltas(timedelta(), timedelta(days=50_000))
INSTANTS = AGES.map(lambda age: datetime(1971, 1, 1, tzinfo=UTC) + age)
# What a server lets through: characters of one byte without line ends.
HEADERS = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"))


@pytest.mark.parametrize(
    ("header", "coding"),
    [
        ("", Coding.IDENTITY),  # no preference, or an empty one: plain is always right
        ("gzip", Coding.GZIP),
        ("GZip", Coding.GZIP),
        ("x-gzip", Coding.GZIP),
        ("gzip, deflate, br, zstd", Coding.BROTLI),
        ("br;q=0.9, gzip", Coding.GZIP),
        ("br", Coding.BROTLI),
        ("br;q=0", Coding.IDENTITY),
        ("*", Coding.GZIP),
        ("gzip;q=0", Coding.IDENTITY),
        ("gzip;q=0.000", Coding.IDENTITY),
        ("gzip;q=0, *", Coding.IDENTITY),
        ("gzip ; q=0.5", Coding.GZIP),
        ("gzip;q=0.5, identity", Coding.IDENTITY),
        ("gzip;q=0.5, identity;q=0.5", Coding.GZIP),
        ("gzip;q=0.5, *;q=1", Coding.IDENTITY),
        ("identity;q=0, gzip;q=0.1", Coding.GZIP),
        ("identity;q=0, *", Coding.GZIP),
        ("*;q=0, gzip", Coding.GZIP),
        ("*;q=0, identity", Coding.IDENTITY),
        ("*;q=0", None),
        ("identity;q=0", None),
        ("br, identity;q=0", Coding.BROTLI),
        ("zstd, identity;q=0", None),
        ("gzip;q=2", Coding.IDENTITY),  # malformed, so it names nothing
        ("gzip;q=x", Coding.IDENTITY),
        ("gzip;q=", Coding.IDENTITY),
        ("gzip;q=0.1234", Coding.IDENTITY),
        ("gzip deflate", Coding.IDENTITY),
        (",;,=;q=1,\xff", Coding.IDENTITY),
        (", gzip ,", Coding.GZIP),
    ],
)
def test_a_body_is_compressed_for_who_likes_it_as_much(header: str, coding: Coding | None) -> None:
    assert choose_coding(header) == coding


@given(header=HEADERS)
def test_any_accept_encoding_gets_an_answer(header: str) -> None:
    coding = choose_coding(header)

    assert coding is not Coding.GZIP or "gzip" in header.lower() or "*" in header
    assert coding is not Coding.BROTLI or "br" in header.lower()
    assert coding is not None or "q=0" in header.lower()


@pytest.mark.parametrize(
    ("header", "html"),
    [
        ("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", True),
        ("text/html", True),
        ("text/*", True),
        ("TEXT/HTML;level=1;q=0.5", True),
        ("application/json, text/html;q=0.5", False),
        ("application/problem+json, text/html", True),
        ("application/json", False),
        ("*/*", True),  # curl and libraries
        ("application/json, */*;q=0.5", False),
        ("text/html;q=0", False),
        ("", True),
    ],
)
def test_who_does_not_prefer_json_gets_errors_as_pages(header: str, html: bool) -> None:
    assert prefers_html(header) == html


@given(header=HEADERS)
def test_who_takes_no_html_never_gets_it(header: str) -> None:
    takes_html = any(name in header.lower() for name in ("html", "text/*", "*/*"))
    assert not prefers_html(header) or not header or takes_html


@pytest.mark.parametrize(
    ("header", "current"),
    [
        (None, False),
        ('"abc"', True),
        ('W/"abc"', True),
        ('"x", "abc" , "y"', True),
        ('"x","y"', False),
        ('"x,", W/"abc"', True),  # a tag may hold a comma
        ("*", True),
        (" * ", True),
        ('"*"', False),
        ('"abc-gzip"', False),
        ("abc", False),
        ('w/"abc', False),
        ('"ABC"', False),
        ("", False),
    ],
)
def test_a_list_of_tags_is_compared_weakly(header: str | None, current: bool) -> None:
    assert is_current('"abc"', header) == current


@given(header=HEADERS)
def test_what_does_not_hold_the_tag_is_never_current(header: str) -> None:
    tag = entity_tag("0123456789abcdef")

    assert not is_current(tag, header) or header.strip() == "*"
    assert is_current(tag, f'"other", {tag}')


@pytest.mark.parametrize(
    ("header", "taken"),
    [
        ("feed", True),
        ("FEED", True),
        ("vcdiff, feed;q=0.8", True),
        ("feed;q=0", False),
        ("feed;q=0.000, vcdiff", False),
        ("feed;q=2", False),  # malformed, so it names nothing
        ("feed, identity", True),
        ("feed;q=0.5, identity", False),  # likes the whole document better
        ("feeds", False),
        ("vcdiff", False),
        ("*", False),  # not in RFC 3229
        ("", False),
    ],
)
def test_who_takes_deltas_says_so(header: str, taken: bool) -> None:
    assert takes_deltas(header) == taken


@given(header=HEADERS)
def test_any_a_im_and_any_list_of_tags_gets_an_answer(header: str) -> None:
    assert takes_deltas(header) in (True, False)
    assert all(tag in header for tag in versions_in(header).values())


def test_a_version_is_the_same_in_every_coding() -> None:
    named = versions_in('W/"a", "b-gzip", "c-br" , "d-zstd", "e-", "f-gzip-br", "g", *, h')

    assert named == {"a": '"a"', "b": '"b-gzip"', "c": '"c-br"', "e": '"e-"', "g": '"g"'}


@given(etag=st.from_regex(r"[0-9a-f]{32}", fullmatch=True), coding=st.sampled_from(Coding))
def test_a_tag_names_its_version(etag: str, coding: Coding) -> None:
    tag = entity_tag(etag, coding)

    assert versions_in(f'"other", W/{tag}')[etag] == tag


def test_each_coding_has_a_tag_of_its_own() -> None:
    tags = {entity_tag("abc", coding) for coding in Coding}

    assert tags == {'"abc"', '"abc-gzip"', '"abc-br"'}


@pytest.mark.parametrize(
    ("header", "unmodified"),
    [
        ("Tue, 23 Nov 2021 01:52:07 GMT", True),
        ("Tue, 23 Nov 2021 01:52:06 GMT", False),
        ("Tuesday, 23-Nov-21 01:52:07 GMT", True),  # the two old forms of RFC 9110, section 5.6.7
        ("Tue Nov 23 01:52:07 2021", True),
        ("Tue, 23 Nov 2021 12:00:01 GMT", False),  # nobody can have a copy of the future
        ("Tue, 23 Nov 2021 99:52:07 GMT", False),
        ("Tue, 23 Nov 2021 01:52:07 +9999999999999999999999", False),
        ("Fri, 31 Dec 9999 23:59:59 -2359", False),
        ("Thứ ba, 23/11/2021 08:52", False),
        ("yesterday", False),
        ("", False),
        (None, False),
    ],
)
def test_a_date_is_compared_to_the_second(header: str | None, unmodified: bool) -> None:
    assert is_unmodified(CHANGED, header, at=AT) == unmodified


@given(header=HEADERS)
def test_any_if_modified_since_gets_an_answer(header: str) -> None:
    assert is_unmodified(CHANGED, header, at=AT) in (True, False)


@given(changed=INSTANTS, age=st.timedeltas(timedelta(), timedelta(days=1)))
def test_last_modified_is_an_http_date_that_is_never_later_than_the_change(
    changed: datetime, age: timedelta
) -> None:
    shown = last_modified(changed.astimezone(timezone(timedelta(hours=7))), at=changed + age)

    assert shown.endswith(" GMT")
    assert parsedate_to_datetime(shown) <= changed


@given(changed=INSTANTS)
def test_a_copy_of_what_settled_is_good_until_the_next_change(changed: datetime) -> None:
    shown = last_modified(changed, at=changed + timedelta(seconds=5))

    assert is_unmodified(changed, shown, at=changed + timedelta(days=1))
    assert not is_unmodified(changed + timedelta(seconds=1), shown, at=changed + timedelta(days=1))


@given(changed=INSTANTS, apart=st.timedeltas(timedelta(), timedelta(seconds=1)))
def test_of_two_changes_in_one_second_the_second_is_not_missed(changed: datetime, apart: timedelta) -> None:
    between = last_modified(changed, at=changed + apart)

    assert not is_unmodified(changed + apart, between, at=changed + timedelta(days=1))
