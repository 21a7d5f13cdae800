"""The order in which people look for names: by the Vietnamese alphabet, whatever the database sorts by."""

import unicodedata
from functools import lru_cache

# Letters of their own, each after the one that it is written with: a ă â, d đ, e ê, o ô ơ, u ư.
_LETTER_MARKS = {"\u0306": 1, "\u0302": 2, "\u031b": 3}
# ngang, huyền, hỏi, ngã, sắc, nặng: they tell apart only what is the same otherwise.
_TONES = {"\u0300": 1, "\u0309": 2, "\u0303": 3, "\u0301": 4, "\u0323": 5}
_OTHER_MARK = 6

_Letter = tuple[int, str, int]
Order = tuple[tuple[_Letter, ...], tuple[int, ...], str]


def alphabetical(name: str) -> Order:
    """Return a key to sort names by: `An, Ăn, Ân, Bình, Dũng, Đà Nẵng`; `ma, mà, mả, mã, má, mạ`.

    Spaces come before punctuation, that before digits, and those before letters; small letters before
    capitals where nothing else differs.
    """
    weighed = [_weighed(character) for character in unicodedata.normalize("NFC", name.casefold())]
    return tuple(letter for letter, _ in weighed), tuple(tone for _, tone in weighed), name.swapcase()


# Lists have thousands of names, made of a hundred different characters.
@lru_cache(maxsize=4_096)
def _weighed(character: str) -> tuple[_Letter, int]:
    """Return which letter a character is, and its tone."""
    decomposed = unicodedata.normalize("NFD", character)
    base, marks = decomposed[0], decomposed[1:]
    if not all(map(unicodedata.combining, marks)):  # a syllable of Korean, for one
        base, marks = character, ""
    shape = max((_LETTER_MARKS.get(mark, 0) for mark in marks), default=0)
    tones = (_TONES.get(mark, _OTHER_MARK) for mark in marks if mark not in _LETTER_MARKS)
    if base == "đ":  # which does not decompose
        base, shape = "d", 1
    return (_group(base), base, shape), max(tones, default=0)


def _group(character: str) -> int:
    if character.isalpha():
        return 3
    if character.isdigit():
        return 2
    return 0 if character.isspace() else 1
