"""An article as it is searched: a tsvector that is made here, so that PostgreSQL need know no language.

Each word stands there without its marks and, if it has any, with them, both at its place: who asks without
marks finds every spelling, who asks with them that spelling only. What narrows a search stands among them.
"""

from collections.abc import Iterator, Mapping, Sequence

from feeds.search.words import pieces_of, words_in
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
    for lexeme, stands in _placed(article):
        if lexeme in places:
            # Several spellings are one without their marks.
            places[lexeme] = sorted(places[lexeme] + stands)
            continue
        room -= len(lexeme.encode()) + _LEXEME_BYTES
        if room < 0:
            break
        places[lexeme] = stands
    return _literal(article, places)


def _literal(article: PublicArticle, places: Mapping[str, Sequence[int]]) -> str:
    words = [f"{quoted(lexeme)}:{_listed(stands)}" for lexeme, stands in places.items()]
    return " ".join([*map(quoted, _facets(article)), *words])


def _listed(places: Sequence[int]) -> str:
    # Most words come once.
    return str(places[0]) if len(places) == 1 else ",".join(map(str, places[:_MOST_PLACES]))


def quoted(lexeme: str) -> str:
    """Return a lexeme as it stands in the literal of a tsvector or tsquery."""
    if "'" in lexeme or "\\" in lexeme:
        lexeme = lexeme.replace("\\", "\\\\").replace("'", "''")
    return f"'{lexeme}'"


def in_language(language: str) -> str:
    """Return what everything in a language is found by; no word has a colon.

    Args:
        language: a primary subtag of BCP 47, in lower case.
    """
    return f"language:{language}"


def in_category(slug: str) -> str:
    """Return what everything in a category is found by."""
    return f"category:{slug}"


def _placed(article: PublicArticle) -> Iterator[tuple[str, list[int]]]:
    """Yield lexemes with places of theirs, in the order in which they come first; one may come again."""
    for piece, begins in _pieces(article).items():
        for offset, word in enumerate(words_in(piece)):
            stands = [place + offset for place in begins] if offset else begins
            yield word.folded, stands
            if word.exact != word.folded:
                yield word.exact, stands


def _pieces(article: PublicArticle) -> dict[str, list[int]]:
    """Return where each piece of the text begins, by what is written together: it comes again as a whole."""
    found: dict[str, list[int]] = {}
    place = 1
    for text in (article.title, article.summary, article.content_text):
        for piece in pieces_of(text[:_MOST_CHARACTERS]):
            words = len(words_in(piece))
            if place + words > _LAST_PLACE:
                return found
            if piece in found:
                found[piece].append(place)
            else:
                found[piece] = [place]
            place += words
        # No phrase goes on from one into the next.
        place += 1
    return found


def _facets(article: PublicArticle) -> Iterator[str]:
    yield in_language(article.language.lower().partition("-")[0][:8])
    yield from sorted({in_category(category.term) for category in article.categories})
