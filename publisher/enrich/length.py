"""How long an article is, in words and in minutes."""

import math
import re

# People read 200 to 250 words of prose a minute, Vietnamese syllables about as many.
_WORDS_A_MINUTE = 200
# Scripts that put no spaces between words: Thai, Lao, Myanmar, Khmer, kana, Han. Their words are two
# characters long on average in Chinese and Japanese text, a little longer in the others.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)
_UNSPACED_CHARACTER = re.compile(f"[{_UNSPACED}]")
_CHARACTERS_A_WORD = 2
# `23,6`, `UBND-CP` and `don’t` are one word each.
_WORD = re.compile(rf"[^\W{_UNSPACED}]+(?:[.,'’/-][^\W{_UNSPACED}]+)*")


def word_count(text: str) -> int:
    """Return the number of words; in Vietnamese of syllables, since spaces part those."""
    unspaced = len(_UNSPACED_CHARACTER.findall(text))
    # Nearly every piece is one plain word, which is seen at once; the expression is slow.
    spaced = sum(
        1 if piece.isalnum() and not unspaced else len(_WORD.findall(piece)) for piece in text.split()
    )
    return spaced + math.ceil(unspaced / _CHARACTERS_A_WORD)


def reading_minutes(words: int) -> int:
    """Return how many minutes it takes to read so many words; 1 or more."""
    return max(1, math.ceil(words / _WORDS_A_MINUTE))
