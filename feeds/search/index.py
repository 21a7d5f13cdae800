"""An article as it is searched: a tsvector that is made here, so that PostgreSQL need know no language.

Each word stands there without its marks and, if it has any, with them, both at its place: who asks without
marks finds every spelling, who asks with them that spelling only. What narrows a search stands among them.
"""

from collections.abc import Iterator
from itertools import islice

from feeds.search.words import words_of
from publisher.article import PublicArticle

# PostgreSQL's limits: places in a tsvector, places of a lexeme, bytes of a tsvector (1,048,575). Much less
# than the last, because each lexeme is put into an index while a worker waits.
_LAST_PLACE = 16_383
_MOST_PLACES = 255
_MOST_BYTES = 400_000
# So many words have fewer characters, unless somebody means no good.
_MOST_CHARACTERS = 500_000
# Of a lexeme beside its characters: its entry, how many places, padding.
_LEXEME_BYTES = 8


def search_document(article: PublicArticle) -> str:
    """Return what the article is found by: title, summary, text, as far as they fit, language, categories.

    Its first 16,000 words or so; of a word the first 255 occurrences. Never more than PostgreSQL takes.
    """
    places: dict[str, list[int]] = {}
    room = _MOST_BYTES
    for lexeme, place in _placed(article):
        found = places.get(lexeme)
        if found is None:
            room -= len(lexeme.encode()) + _LEXEME_BYTES
            if room < 0:
                break
            found = places[lexeme] = []
        if len(found) < _MOST_PLACES:
            found.append(place)
    words = (f"{quoted(lexeme)}:{','.join(map(str, found))}" for lexeme, found in places.items())
    return " ".join([*map(quoted, _facets(article)), *words])


def quoted(lexeme: str) -> str:
    """Return a lexeme as it stands in the literal of a tsvector or tsquery."""
    return "'" + lexeme.replace("\\", "\\\\").replace("'", "''") + "'"


def in_language(language: str) -> str:
    """Return what everything in a language is found by; no word has a colon.

    Args:
        language: a primary subtag of BCP 47, in lower case.
    """
    return f"language:{language}"


def in_category(slug: str) -> str:
    """Return what everything in a category is found by."""
    return f"category:{slug}"


def _placed(article: PublicArticle) -> Iterator[tuple[str, int]]:
    place = 0
    for text in (article.title, article.summary, article.content_text):
        for word in islice(words_of(text[:_MOST_CHARACTERS]), _LAST_PLACE - place):
            place += 1
            yield word.folded, place
            if word.exact != word.folded:
                yield word.exact, place
        # No phrase goes on from one into the next.
        place = min(place + 1, _LAST_PLACE)


def _facets(article: PublicArticle) -> Iterator[str]:
    yield in_language(article.language.lower().partition("-")[0][:8])
    yield from sorted({in_category(category.term) for category in article.categories})
