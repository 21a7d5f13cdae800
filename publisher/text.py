"""Text as we store it and as we compare it: one clean form, one folded form, one slug."""

import re
import unicodedata

_LINE_ENDS = re.compile("\r\n?|[\x85\u2028\u2029]")
_SPACES = re.compile("[\u00a0\u2007\u202f]")
_INVISIBLE = re.compile("[\u200b-\u200d\u2060\ufeff\u00ad]")
# All of the above at once: most text has none of them, and one search is cheaper than three.
_TYPOGRAPHIC = re.compile("[\r\x85\u2028\u2029\u00a0\u2007\u202f\u200b-\u200d\u2060\ufeff\u00ad]")
# Every plane ends in two noncharacters; the surrogates and U+FDD0–U+FDEF are left out as well.
_FORBIDDEN = re.compile(
    "[^\t\n\r\u0020-\u007e\u0085\u00a0-\ud7ff\ue000-\ufdcf\ufdf0-\ufffd"
    + "".join(f"{chr(plane << 16)}-{chr((plane << 16) + 0xFFFD)}" for plane in range(1, 17))
    + "]"
)
# Clean as it is: composed Latin letters, all Vietnamese ones too, digits, punctuation; nothing to remove.
_ORDINARY = re.compile(
    "[\t\n\x20-\x7e\xa1-\xac\xae-\u02ff\u1e00-\u1eff\u2010-\u2027\u2030-\u205e\u20a0-\u20bf]*"
)
# Combining marks are neither word characters nor spaces; so are other characters, which do no harm here.
_AFTER_BRACKET = re.compile("(?<=[<>])[^\\w\\s\x00-\x7f]+")
_MANY_MARKS = re.compile("[^\\w\\s\x00-\x7f]{31,}")
_MOST_MARKS = 30
# Đ does not decompose; Ð and Ɖ look the same and are typed instead of it.
_D_WITH_STROKE = str.maketrans("đĐðÐɖƉ", "dDdDdD")
_SLUG_LENGTH = 80


def clean(text: str) -> str:
    r"""Return the form that is stored: NFC, plain spaces, `\n`, nothing invisible or forbidden in XML 1.0.

    It is safe on markup too: no mark melts into the bracket before it (`>` and U+0338 would give `≯`).
    Of more than 30 marks on one letter the rest is dropped, since sorting them takes quadratic time
    (UAX #15, “Stream-Safe Text Format”).
    """
    if _ORDINARY.fullmatch(text):
        return text
    if _TYPOGRAPHIC.search(text):
        text = _INVISIBLE.sub("", _SPACES.sub(" ", _LINE_ENDS.sub("\n", text)))
    text = _FORBIDDEN.sub("", text)
    if "\u0338" in text:
        text = _AFTER_BRACKET.sub(lambda marks: marks[0].replace("\u0338", ""), text)
    text = _MANY_MARKS.sub(_first_marks, text)
    composed = unicodedata.normalize("NFC", text)
    # A few characters fall apart into more marks than they had.
    return composed if composed == text else _MANY_MARKS.sub(_first_marks, composed)


def _first_marks(run: re.Match[str]) -> str:
    kept, marks = [], 0
    for character in run[0]:
        marks = marks + 1 if unicodedata.combining(character) else 0
        if marks <= _MOST_MARKS:
            kept.append(character)
    return "".join(kept)


def clean_line(text: str) -> str:
    """Return the clean text on one line, with single spaces."""
    return " ".join(clean(text).split())


def forbidden_characters(text: str) -> int:
    """Return how many characters XML 1.0 forbids or discourages (control characters, noncharacters)."""
    return len(_FORBIDDEN.findall(text))


def fold(text: str) -> str:
    """Return a key for comparing: lower case, without marks, đ as d, single spaces.

    Vietnamese is written with two placements of the tone (hoà, hòa): both fold to the same key.
    """
    decomposed = unicodedata.normalize("NFD", clean_line(text).translate(_D_WITH_STROKE).casefold())
    unmarked = "".join(c for c in decomposed if not unicodedata.combining(c))
    return unicodedata.normalize("NFC", unmarked)


def slugify(text: str, *, fallback: str) -> str:
    """Return a URL segment: `Đường 23,6 km` → `duong-23-6-km`, `1.685 hộ` → `1685-ho`.

    At most 80 characters, cut between words; `fallback` when nothing of the text is left.
    """
    folded = re.sub(r"(?<=\d)\.(?=\d{3}(?!\d))", "", fold(text))
    slug = re.sub(r"[^a-z0-9]+", "-", folded).strip("-")
    if len(slug) > _SLUG_LENGTH:
        slug = slug[: _SLUG_LENGTH + 1].rpartition("-")[0] or slug[:_SLUG_LENGTH]
    return slug or fallback
