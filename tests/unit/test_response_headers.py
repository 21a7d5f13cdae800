"""What is kept of the headers of a receiver's answer."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.notify.wire.response_headers import MAX_HEADERS_BYTES, NOT_KEPT, response_headers

HEADERS = st.lists(
    st.tuples(
        st.one_of(st.binary(min_size=1, max_size=30), st.sampled_from([b"X", b"x", b"Retry-After"])),
        st.one_of(st.binary(max_size=300), st.integers(0, 9_000).map(lambda length: b"v" * length)),
    ),
    max_size=128,
)


def size_of(headers: dict[str, str]) -> int:
    return sum(len(name) + len(value) for name, value in headers.items())


def test_names_are_in_lower_case_and_values_as_they_came() -> None:
    kept = response_headers([(b"X-Request-ID", b"7F"), (b"Server", b"nginx"), (b"Empty", b"")])

    assert kept == {"x-request-id": "7F", "server": "nginx", "empty": ""}


def test_several_values_of_a_name_are_one_with_commas() -> None:
    kept = response_headers([(b"Via", b"1.1 a"), (b"X", b"y"), (b"VIA", b"1.1 b"), (b"via", b"1.1 c, 1.1 d")])

    assert kept == {"via": "1.1 a, 1.1 b, 1.1 c, 1.1 d", "x": "y"}


@pytest.mark.parametrize(
    "name", [b"Set-Cookie", b"set-cookie", b"Authorization", b"Proxy-Authorization", b"Authentication-Info"]
)
def test_what_proves_who_somebody_is_is_named_only(name: bytes) -> None:
    kept = response_headers([(name, b"session=4711; path=/"), (name, b"b=4711"), (b"www-authenticate", b"B")])

    assert kept == {name.decode().lower(): NOT_KEPT, "www-authenticate": "B"}


def test_bytes_that_are_no_text_become_some() -> None:
    kept = response_headers([(b"a", "đường".encode()), (b"b", b"\xff\x00"), (b"c", b"\xed\xa0\x80")])

    assert kept == {"a": "đường", "b": "\ufffd\ufffd", "c": "\ufffd\ufffd\ufffd"}


def test_of_too_much_the_first_is_kept_and_what_we_act_on() -> None:
    long = [(b"x-%d" % number, b"v" * 5_000) for number in range(9)]

    kept = response_headers([*long, (b"Retry-After", b"120"), (b"Webhook-Delivery", b"disable")])

    assert (kept["retry-after"], kept["webhook-delivery"]) == ("120", "disable")
    assert list(kept)[2:] == ["x-0", "x-1", "x-2", "x-3"]
    assert (kept["x-2"], kept["x-3"]) == ("v" * 5_000, "v" * (len(kept["x-3"])))
    assert size_of(kept) == MAX_HEADERS_BYTES


def test_a_long_value_does_not_cut_what_we_act_on_away() -> None:
    kept = response_headers([(b"a", b"v" * MAX_HEADERS_BYTES), (b"retry-after", b"7")])

    assert kept == {"retry-after": "7", "a": "v" * (MAX_HEADERS_BYTES - len("retry-after") - 2)}


@given(HEADERS)
def test_whatever_comes_is_bounded_and_can_be_stored(raw: list[tuple[bytes, bytes]]) -> None:
    kept = response_headers(raw)

    written = json.dumps(kept, ensure_ascii=False)
    assert written.encode().decode() == written
    assert "\\u0000" not in written
    # A byte that is no text becomes one character, and several values are joined.
    assert size_of(kept) <= MAX_HEADERS_BYTES + 2 * len(raw)
    assert all(name == name.lower() for name in kept)
