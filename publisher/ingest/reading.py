"""Bytes from a file or a sender: which text they are, and what kind of document."""

import codecs
import json
import re
import unicodedata
from enum import StrEnum
from pathlib import PurePath

from publisher.errors import InvalidInput


class Kind(StrEnum):
    """What can be read into an article."""

    JSON = "json"
    NDJSON = "ndjson"
    HTML = "html"
    TEXT = "text"


# The longer marks first: that of UTF-32 begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_BINARY = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f]")
# Letters that Vietnamese has and Western European languages do not.
_VIETNAMESE = frozenset("ăâđêôơưĂÂĐÊÔƠƯ")
_FOREIGN_TO_WESTERN = frozenset("ăđơưĂĐƠƯ")
_FEWEST_LETTERS = 3
_DECLARED = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?([A-Za-z0-9_-]{2,20})", re.IGNORECASE)
_HTML = re.compile(
    r"(?:<\?xml[^>]{0,200}\?>\s*)?(?:<!--.{0,2000}?-->\s*)*"
    r"<(?:!doctype\s+html|html|head|body|main|article|section|div|header|meta|title|h[1-6]|p|table)\b",
    re.IGNORECASE | re.DOTALL,
)
_ENDINGS = {
    **dict.fromkeys((".html", ".htm", ".xhtml"), Kind.HTML),
    **dict.fromkeys((".ndjson", ".jsonl"), Kind.NDJSON),
    ".json": Kind.JSON,
}
_SNIFFED = 4096


def read_bytes(data: bytes) -> str:
    """Return the text: as its byte order mark says, else UTF-8, else Windows-1258 if that is Vietnamese.

    Raises:
        InvalidInput: it is none of these, or no text at all.
    """
    text = _decode(data)
    if _BINARY.search(text[:_SNIFFED]):
        raise InvalidInput.of("", "expected text in UTF-8, found binary data")
    return text


def read_html_bytes(data: bytes) -> str:
    """Return the text of an HTML page, which may name its encoding: a last resort behind UTF-8.

    Raises:
        InvalidInput: it is not UTF-8 and what it names does not fit either.
    """
    try:
        return _decode(data)
    except InvalidInput:
        declared = _DECLARED.search(data[:_SNIFFED])
        name = declared[1].decode("ascii").lower() if declared else ""
        if name not in {"windows-1252", "iso-8859-1", "windows-1258"}:
            raise
        return data.decode("windows-1252" if name == "iso-8859-1" else name, errors="replace")


def kind_of(name: str, data: bytes) -> Kind:
    """Return what kind of document this is, by its content first, then by the ending of its name."""
    start = _start(data)
    ending = _ENDINGS.get(PurePath(name).suffix.lower(), Kind.TEXT)
    if _HTML.match(start):
        return Kind.HTML
    if re.match(r"\{\s*[\"}]", start):
        return Kind.NDJSON if ending is Kind.NDJSON or _is_one_of_many(data) else Kind.JSON
    if re.match(r"\[\s*[{\]]", start):
        return Kind.JSON
    return ending


def _decode(data: bytes) -> str:
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _strictly(data[len(mark) :], encoding)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        if text := _windows_vietnamese(data):
            return text
        found = f"byte 0x{data[error.start]:02x} at position {error.start}"
        raise InvalidInput.of("", f"expected text in UTF-8, found {found}") from error


def _strictly(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise InvalidInput.of("", f"expected {encoding.upper()}, as its byte order mark says") from error


def _windows_vietnamese(data: bytes) -> str | None:
    """Return the text if these bytes make sense as Vietnamese in Windows-1258, None otherwise.

    Every byte is a letter in some encoding, so it must read as Vietnamese: only its letters, tones that
    find a vowel, and some letters that no Western European language has.
    """
    try:
        text = unicodedata.normalize("NFC", data.decode("cp1258"))
    except UnicodeDecodeError:
        return None
    letters = [c for c in text if c.isalpha() and not c.isascii()]
    plausible = all(_is_vietnamese(c) for c in letters) and not any(unicodedata.combining(c) for c in text)
    telling = sum(bool(_FOREIGN_TO_WESTERN & set(_bases(c))) for c in letters)
    return text if plausible and telling >= _FEWEST_LETTERS else None


def _bases(letter: str) -> str:
    """Return the letter without its tone, but with what makes it a letter of its own (ă, ơ)."""
    tones = "\u0300\u0301\u0303\u0309\u0323"
    return unicodedata.normalize(
        "NFC", "".join(c for c in unicodedata.normalize("NFD", letter) if c not in tones)
    )


def _is_vietnamese(letter: str) -> bool:
    base = _bases(letter)
    return base in _VIETNAMESE or (base.isascii() and base.lower() in "aeiouy")


def _start(data: bytes) -> str:
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data[len(mark) :][:_SNIFFED].decode(encoding, errors="replace").lstrip()
    return data[: 2 * _SNIFFED].decode("utf-8", errors="replace").lstrip()


def _is_one_of_many(data: bytes) -> bool:
    """Return whether the first line is an object of its own and more lines follow."""
    first, _, rest = data.strip().partition(b"\n")
    if not rest.strip().startswith(b"{"):
        return False
    try:
        return isinstance(json.loads(first), dict)
    except (ValueError, RecursionError):
        return False
