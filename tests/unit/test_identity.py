"""Which article a submission is, and whether it says anything new."""

import unicodedata
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.article import Image, Person, Related, Source
from publisher.ingest.identity import KeyKind, canonical_url, content_digest, derived_guid, keys_of
from publisher.ingest.submission import Submission

HANOI = timezone(timedelta(hours=7))
PUBLISHED = datetime(2021, 11, 23, 0, 30, tzinfo=HANOI)


def submission(**changes: Any) -> Submission:
    return replace(
        Submission(title="Phường đối thoại với dân", content_text="Nội dung.", url="https://e.vn/a"),
        **changes,
    )


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("HTTPS://News.Example.ORG/A?B=c#d", "https://news.example.org/A?B=c"),
        ("https://e.vn:443/a", "https://e.vn/a"),
        ("http://e.vn:80", "http://e.vn/"),
        ("http://e.vn:443/", "http://e.vn:443/"),
        ("https://e.vn:/a", "https://e.vn/a"),
        ("https://e.vn/a/../b//c?", "https://e.vn/a/../b//c"),
        ("https://[2001:DB8::1]:443/", "https://[2001:db8::1]/"),
        ("https://e.vn/Đường%2f", "https://e.vn/Đường%2f"),
    ],
)
def test_spellings_of_one_address_are_one(url: str, expected: str) -> None:
    assert canonical_url(url) == expected
    assert canonical_url(expected) == expected


@pytest.mark.parametrize(
    "title",
    [
        "PHƯỜNG ĐỐI THOẠI VỚI DÂN",
        "Phường\u00a0đối  thoại với dân ",
        unicodedata.normalize("NFD", "Phường đối thoại với dân"),
    ],
)
def test_the_same_page_scraped_again_has_the_same_guid(title: str) -> None:
    again = derived_guid(title, PUBLISHED.replace(hour=8), "NHANDAN.vn")

    assert again == derived_guid("Phường đối thoại với dân", PUBLISHED, "nhandan.vn")


def test_the_day_is_that_of_the_page() -> None:
    printed = derived_guid("T", PUBLISHED, None)

    assert printed == derived_guid("T", datetime(2021, 11, 23, tzinfo=UTC), None)
    assert printed != derived_guid("T", PUBLISHED.astimezone(UTC), None)


def test_other_pages_have_other_guids() -> None:
    guids = {
        derived_guid("T", PUBLISHED, "a"),
        derived_guid("U", PUBLISHED, "a"),
        derived_guid("T", PUBLISHED + timedelta(days=1), "a"),
        derived_guid("T", PUBLISHED, "b"),
        derived_guid("T", PUBLISHED, None),
        derived_guid("T", None, "a"),
        derived_guid("T a", None, None),
    }

    assert len(guids) == 7


@given(st.text(), st.datetimes(timezones=st.just(UTC)) | st.none(), st.text() | st.none())
def test_a_derived_guid_is_a_short_name(title: str, published: datetime | None, source: str | None) -> None:
    guid = derived_guid(title, published, source)

    assert guid.startswith("page:")
    assert len(guid) == 37


def test_guid_and_url_are_both_identities() -> None:
    keys = keys_of(submission(guid="a-1", url="https://E.vn/a#b"))

    assert keys == ((KeyKind.GUID, "a-1"), (KeyKind.URL, "https://e.vn/a"))


def test_a_page_without_guid_and_url_has_a_derived_identity_whether_written_or_not() -> None:
    page = submission(url=None, published=PUBLISHED, source=Source(name="e.vn"))
    derived = derived_guid(page.title, PUBLISHED, "e.vn")

    assert keys_of(page) == ((KeyKind.DERIVED, derived),)
    assert keys_of(replace(page, guid=derived)) == ((KeyKind.DERIVED, derived),)


CHANGES: dict[str, Any] = {
    "url": "https://e.vn/b",
    "title": "Khác",
    "content_html": "<p>a</p>",
    "content_text": "Khác.",
    "summary": "Tóm tắt",
    "language": "vi",
    "authors": (Person(name="A"),),
    "categories": ("Xã hội",),
    "tags": ("a",),
    "places": ("a",),
    "images": (Image(url="https://e.vn/a.jpg"),),
    "source": Source(name="e.vn"),
    "related": (Related(title="R", published=PUBLISHED),),
    "visible_from": PUBLISHED,
}
NO_CHANGES: dict[str, Any] = {
    "guid": "g",
    "published": PUBLISHED,
    "notify": False,
    "restore": True,
    "warnings": ("w",),
    "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_readers_see_makes_a_revision(name: str) -> None:
    assert content_digest(submission(**{name: CHANGES[name]})) != content_digest(submission())


@pytest.mark.parametrize("known", [{"media_type": "image/jpeg"}, {"length": 0}])
def test_what_becomes_known_of_a_picture_makes_a_revision(known: dict[str, Any]) -> None:
    before, after = (submission(images=(Image(url="https://e.vn/a.jpg", **one),)) for one in ({}, known))

    assert content_digest(before) != content_digest(after)


def test_an_article_that_is_sent_again_after_years_is_still_the_same() -> None:
    # Stored articles have this digest; what submissions may have later counts only where it is given.
    sent = submission(images=(Image(url="https://e.vn/a.jpg", alt="Ảnh"),))

    assert content_digest(sent).hex() == "86a137aea028249331c139beb98ecc2dbe960dd634980fa446ce56a999590a6b"


@pytest.mark.parametrize("name", NO_CHANGES)
def test_what_belongs_to_the_request_makes_none(name: str) -> None:
    assert content_digest(submission(**{name: NO_CHANGES[name]})) == content_digest(submission())


def test_every_field_of_a_submission_was_thought_of() -> None:
    assert CHANGES.keys() | NO_CHANGES.keys() == {field.name for field in fields(Submission)}


def test_the_same_instant_in_another_zone_is_no_change() -> None:
    here = submission(visible_from=PUBLISHED, related=(Related(title="R", published=PUBLISHED),))
    there = submission(
        visible_from=PUBLISHED.astimezone(UTC),
        related=(Related(title="R", published=PUBLISHED.astimezone(UTC)),),
    )

    assert content_digest(here) == content_digest(there)


def test_tags_categories_and_places_do_not_run_into_each_other() -> None:
    assert content_digest(submission(tags=("a", "b"))) != content_digest(submission(tags=("ab",)))
    named = (submission(**{name: ("a",)}) for name in ("tags", "categories", "places"))
    assert len({content_digest(one) for one in named}) == 3
