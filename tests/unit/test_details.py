"""Details come back from the record as they went in, and older code can read what it knows of them."""

import json
from datetime import UTC
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.article import Image, Person, Related, Source
from publisher.details import Details

_TEXT = st.text(max_size=10)
_DETAILS = st.builds(
    Details,
    authors=st.tuples(st.builds(Person, name=_TEXT, email=st.none() | _TEXT)),
    categories=st.tuples(_TEXT),
    tags=st.tuples(_TEXT),
    places=st.tuples(_TEXT),
    images=st.tuples(
        st.builds(
            Image,
            url=_TEXT,
            alt=st.none() | _TEXT,
            media_type=st.none() | _TEXT,
            length=st.none() | st.integers(0, 2**53),
        )
    ),
    source=st.none() | st.builds(Source, name=_TEXT),
    related=st.tuples(
        st.builds(Related, title=_TEXT, published=st.none() | st.datetimes(timezones=st.just(UTC)))
    ),
)


@given(details=_DETAILS)
def test_details_come_back_as_they_went_in(details: Details) -> None:
    assert Details.from_json(json.loads(json.dumps(details.as_json()))) == details


def test_what_was_stored_before_there_were_places_has_none() -> None:
    details = Details(tags=("đường",), places=("Đà Nẵng",))
    stored = details.as_json()

    del stored["places"]

    assert Details.from_json(stored) == Details(tags=("đường",))


@pytest.mark.parametrize("known", [{}, {"media_type": "image/png"}, {"length": 0}])
def test_of_a_picture_only_what_is_known_is_added_to_what_older_code_reads(known: dict[str, Any]) -> None:
    details = Details(images=(Image(url="https://e.vn/a.jpg", **known),))

    (stored,) = details.as_json()["images"]

    assert stored == {"url": "https://e.vn/a.jpg", "alt": None, "caption": None} | known
