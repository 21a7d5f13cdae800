"""Lines are cut the same however the bytes arrive, and none is held beyond its limit."""

from hypothesis import given
from hypothesis import strategies as st

from publisher.api.ndjson import Line, LineSplitter

LIMIT = 8


def split(chunks: list[bytes], limit: int = LIMIT) -> list[Line]:
    """Return all lines of the input."""
    splitter = LineSplitter(limit)
    lines = [line for chunk in chunks for line in splitter.feed(chunk)]
    return lines + splitter.finish()


def contents(lines: list[Line]) -> list[bytes | None]:
    """Return what is in the lines."""
    return [line.content for line in lines]


@given(st.lists(st.binary(max_size=12).map(lambda part: part.replace(b"\r", b"")), max_size=12), st.data())
def test_lines_do_not_depend_on_how_they_arrive(lines: list[bytes], data: st.DataObject) -> None:
    whole = b"\n".join(lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=5)))
    chunks = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]

    assert split([whole]) == split(chunks)


@given(st.lists(st.binary(max_size=12), max_size=12))
def test_every_line_has_its_number(chunks: list[bytes]) -> None:
    lines = split(chunks)

    assert [line.number for line in lines] == list(range(1, len(lines) + 1))


def test_a_last_line_needs_no_line_end() -> None:
    assert contents(split([b"a\nb"])) == [b"a", b"b"]
    assert contents(split([b"a\nb\n"])) == [b"a", b"b"]


def test_windows_line_ends_are_line_ends() -> None:
    assert contents(split([b"a\r\nb\r", b"\nc"])) == [b"a", b"b", b"c"]


def test_an_empty_line_is_a_line() -> None:
    assert contents(split([b"a\n\nb"])) == [b"a", b"", b"b"]


def test_a_line_of_the_limit_is_kept_and_one_byte_more_is_dropped() -> None:
    assert contents(split([b"12345678\n123456789\n12345678\r\n12345678\rx\nb"])) == [
        b"12345678",
        None,
        b"12345678",
        None,
        b"b",
    ]


def test_a_dropped_line_is_not_held() -> None:
    splitter = LineSplitter(LIMIT)

    for _ in range(1_000):
        assert splitter.feed(b"x" * 1_000) == []

    assert sum(map(len, splitter._parts)) <= LIMIT + 1
    assert contents(splitter.feed(b"\nok\n")) == [None, b"ok"]
