"""The trace that a request names: kept as it is written, or ignored, and never anything in between."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.traceparent import traceparent_of

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
GOOD = f"00-{TRACE}-{PARENT}-01"


def hexadecimal(length: int) -> st.SearchStrategy[str]:
    return st.text("0123456789abcdef", min_size=length, max_size=length)


def ids(length: int) -> st.SearchStrategy[str]:
    return hexadecimal(length).filter(lambda one: set(one) != {"0"})


@given(ids(32), ids(16), hexadecimal(2))
def test_whatever_the_recommendation_allows_is_kept_as_it_came(trace: str, parent: str, flags: str) -> None:
    header = f"00-{trace}-{parent}-{flags}"

    assert header == traceparent_of([header])


@given(
    hexadecimal(2).filter(lambda one: one not in ("00", "ff")), st.sampled_from(["", "-", "-more", "-a-b"])
)
def test_of_a_later_version_the_part_that_is_known_is_kept(version: str, more: str) -> None:
    assert traceparent_of([f"{version}-{TRACE}-{PARENT}-01{more}"]) == GOOD


@given(st.text(max_size=80) | st.from_regex(r"[0-9a-fA-F]{2}-[0-9a-f]{30,34}-[0-9a-f]{15,17}-[0-9a-z]{1,3}"))
def test_anything_else_is_ignored_and_what_is_kept_can_be_sent(header: str) -> None:
    kept = traceparent_of([header])

    assert kept is None or (kept == traceparent_of([kept]) and kept.isascii() and len(kept) == len(GOOD))


@pytest.mark.parametrize(
    "header",
    [
        "",
        "00",
        f"00-{TRACE}-{PARENT}",
        f"00-{TRACE}-{PARENT}-01-more",  # version 00 ends here
        f"00-{TRACE}-{PARENT}-1",
        f"ff-{TRACE}-{PARENT}-01",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{PARENT}-01",
        f"01-{TRACE}-{PARENT}-01more",
        f" {GOOD}",
        f"{GOOD}\n",
        f"01-{TRACE}-{PARENT}-01-\r\nx-injected: yes",
        GOOD.replace("0", "٠"),  # digits, but not ours
    ],
)
def test_a_malformed_header_is_ignored(header: str) -> None:
    assert traceparent_of([header]) is None


def test_no_header_or_several_name_no_trace() -> None:
    assert traceparent_of([]) is None
    assert traceparent_of([GOOD, GOOD]) is None
