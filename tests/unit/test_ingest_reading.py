"""Bytes become text in the encoding that fits, and documents are told apart by what they hold."""

import contextlib
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.errors import InvalidInput
from publisher.ingest.reading import Kind, kind_of, read_bytes, read_html_bytes

TEXT = "Ủy ban xã đã sửa xong đường vào bản, bà con đi lại dễ hơn trước."
WINDOWS_1258 = b"\xd4ng b\xe0 \xf0\xfd\xf5\xf2c m\xf5\xeci \xf0\xfd\xf5\xccng"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_marked_and_unmarked_unicode_is_read(encoding: str) -> None:
    assert read_bytes(TEXT.encode(encoding)) == TEXT


def test_vietnamese_of_old_windows_is_read_and_composed() -> None:
    found = read_bytes(WINDOWS_1258)

    assert found == unicodedata.normalize("NFC", "Ông bà được mới đường")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param("Le café à l'été, déjà".encode("cp1252"), id="French"),
        pytest.param("Größe übermäßig".encode("cp1252"), id="German"),
        pytest.param(TEXT.encode()[:-1] + b"\xe1", id="cut off"),
        pytest.param(b"\xff\xfe\x00", id="half a character"),
        pytest.param(b"\x89PNG\r\n\x1a\n\x00\x00", id="a picture"),
        pytest.param(b"PK\x03\x04 and more", id="an archive"),
        pytest.param(TEXT.encode("utf-16-le"), id="UTF-16 without a mark"),
    ],
)
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidInput, match="expected"):
        read_bytes(data)


def test_a_page_may_be_in_the_western_encoding_that_it_names() -> None:
    page = '<meta charset="windows-1252"><h1>Café</h1>'.encode("cp1252")

    assert "Café" in read_html_bytes(page)


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("a.txt", b'{"title": "a"}\n{"title": "b"}\n', Kind.NDJSON),
        ("a.jsonl", b'{"title": "a"}', Kind.NDJSON),
        ("a", b'{\n"title": "a"\n}', Kind.JSON),
        ("a.txt", b'\xef\xbb\xbf [{"title": "a"}]', Kind.JSON),
        ("a.json", b"not at all", Kind.JSON),
        ("a.txt", "[Infographic] Tin mới".encode(), Kind.TEXT),
        ("a.txt", b"{curly} start", Kind.TEXT),
        ("a.txt", b" \n<!DOCTYPE html><html>", Kind.HTML),
        ("a", b"<!-- x --><html lang=vi>", Kind.HTML),
        ("a", b'<?xml version="1.0"?>\n<!DOCTYPE html PUBLIC "x"><html>', Kind.HTML),
        ("a", "<html>".encode("utf-16"), Kind.HTML),
        ("A.HTM", b"hello", Kind.HTML),
        ("a.txt", b"a < b", Kind.TEXT),
        ("-", b"", Kind.TEXT),
    ],
)
def test_documents_are_told_apart_by_content_first(name: str, data: bytes, expected: Kind) -> None:
    assert kind_of(name, data) is expected


@given(st.text(), st.binary())
def test_any_bytes_have_a_kind_and_are_read_or_refused(name: str, data: bytes) -> None:
    assert kind_of(name, data) in Kind
    with contextlib.suppress(InvalidInput):
        read_bytes(data)
