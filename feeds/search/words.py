"""The words of a text of any script, each as it is compared: without marks, and with them."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from publisher.text import clean, fold

LONGEST_WORD = 200
"""Characters of a word that count; PostgreSQL takes words of less than 2 kB."""

# Scripts that are written without spaces: each of their characters is a word of its own, and a name a phrase.
_UNSPACED = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f\uaa60-\uaa7f\ua9e0-\ua9ff"  # Burmese
    "\u1780-\u17ff"  # Khmer
    "\u3005-\u3007\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff"  # Japanese
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003fffd"  # Chinese
)
# Only letters, digits and their marks are left when this is asked, so what is no word character is a mark.
_WORD = re.compile(rf"[{_UNSPACED}]\W*|(?:(?![{_UNSPACED}]).)+")
_WORD_CATEGORIES = frozenset("LMN")
_MOST_CHARACTERS_KNOWN = 20_000
# Vietnamese is written with two placements of these, hoà and hòa: they count as if behind the whole word.
_TONES = re.compile("[\u0300\u0301\u0303\u0309\u0323]")
_LOOK_ALIKES = str.maketrans("ðɖ", "đđ")


@dataclass(frozen=True)
class Word:
    """A word of a text.

    Attributes:
        folded: what it is without marks: `da` of Đà.
        exact: what tells its spelling from others that fold to the same; the same as `folded` if there are
            no marks. Only for comparing: tones stand behind the letters.
    """

    folded: str
    exact: str


def words_of(text: str) -> Iterator[Word]:
    """Yield the words in order; of the same text always the same ones, composed or decomposed."""
    for piece in pieces_of(text):
        yield from words_in(piece)


def pieces_of(text: str) -> list[str]:
    """Return what is written together, in order; what parts words is left out."""
    return clean(text).translate(_LETTERS).split()


@lru_cache(maxsize=16_384)
def words_in(piece: str) -> tuple[Word, ...]:
    """Return the words of what is written together: one, or none, or in scripts without spaces as many."""
    # What is nothing but marks is no word.
    return tuple(word for spelled in _WORD.findall(piece) if (word := _word(spelled[:LONGEST_WORD])).folded)


def _word(spelled: str) -> Word:
    # Cut once more: a few letters become several.
    return Word(fold(spelled)[:LONGEST_WORD], _exact(spelled))


def _exact(spelled: str) -> str:
    if spelled.isascii():
        return spelled.lower()[:LONGEST_WORD]
    decomposed = unicodedata.normalize("NFD", spelled.casefold().translate(_LOOK_ALIKES))
    letters = unicodedata.normalize("NFC", _TONES.sub("", decomposed))[:LONGEST_WORD]
    return letters + "".join(_TONES.findall(decomposed))[:LONGEST_WORD]


class _Letters(dict[int, int | str]):
    """What becomes of each character: letters, digits and their marks stay, all else parts words."""

    def __missing__(self, code: int) -> int | str:
        kept = code if unicodedata.category(chr(code))[0] in _WORD_CATEGORIES else " "
        if len(self) < _MOST_CHARACTERS_KNOWN:
            self[code] = kept
        return kept


_LETTERS = _Letters()
