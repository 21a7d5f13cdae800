"""What somebody asks for: words that all have to be there, "phrases", and -words that must not."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from feeds.search.index import in_category, in_language, quoted
from feeds.search.words import words_of
from publisher.article import slug_of
from publisher.errors import PublisherError
from publisher.text import clean_line

LONGEST_QUERY = 2_000
_MOST_CATEGORIES = 50
_LONGEST_NAME = 200

_CURLY_QUOTES = str.maketrans("“”„", '"""')
_TERM = re.compile(r'(?P<out>-?)(?:"(?P<phrase>[^"]*)"|(?P<word>\S+))')
_LANGUAGE = re.compile(r"(?P<primary>[a-z]{2,8})(?:[-_][a-z0-9]{1,8})*", re.IGNORECASE | re.ASCII)


class NotASearch(PublisherError):
    """A parameter says nothing that can be searched for; the same again fails again."""

    def __init__(self, parameter: str, detail: str) -> None:
        self.parameter = parameter
        self.detail = detail
        super().__init__(f"{parameter}: {detail}")


@dataclass(frozen=True, kw_only=True)
class Search:
    """A search in its only form: who asks the same in other words gets the same feed.

    Attributes:
        q: as it was asked, on one line, clean.
        categories: slugs, in order; in any of them. Empty: in all.
        language: a primary subtag in lower case; None: any.
        query: the literal of a tsquery that says all of this.
    """

    q: str
    categories: tuple[str, ...]
    language: str | None
    query: str = field(repr=False, compare=False)


def parse_search(q: str, categories: Sequence[str] = (), language: str = "") -> Search:
    """Return the search that is asked for; an empty category or language counts as none.

    Raises:
        NotASearch: when there is no word to search for, or too much, or what is no language.
    """
    if len(q) > LONGEST_QUERY:
        raise NotASearch("q", f"expected at most {LONGEST_QUERY:,} characters")
    text = clean_line(q)
    slugs, primary = _slugs(categories), _primary(language)
    query = " & ".join(_terms(text))
    if slugs:
        query += f" & ({' | '.join(quoted(in_category(slug)) for slug in slugs)})"
    if primary:
        query += f" & {quoted(in_language(primary))}"
    return Search(q=text, categories=slugs, language=primary, query=query)


def _terms(text: str) -> list[str]:
    """Return what has to be there, and what must not, as operands of a tsquery, each once."""
    wanted, unwanted = dict[str, None](), dict[str, None]()
    for term in _TERM.finditer(text.translate(_CURLY_QUOTES)):
        said = term["word"] if term["phrase"] is None else term["phrase"]
        # What was not found with its marks is not there; what has none may have any.
        if phrase := " <-> ".join(quoted(word.exact) for word in words_of(said)):
            (unwanted if term["out"] else wanted)[f"({phrase})"] = None
    if not wanted:
        raise NotASearch("q", "expected a word that is searched for")
    return [*wanted, *(f"!{phrase}" for phrase in unwanted)]


def _slugs(categories: Sequence[str]) -> tuple[str, ...]:
    names = [name for name in map(clean_line, categories) if name]
    if len(names) > _MOST_CATEGORIES:
        raise NotASearch("category", f"expected at most {_MOST_CATEGORIES}")
    if any(len(name) > _LONGEST_NAME for name in names):
        raise NotASearch("category", f"expected at most {_LONGEST_NAME} characters")
    return tuple(sorted({slug_of(name) for name in names}))


def _primary(language: str) -> str | None:
    if not language.strip():
        return None
    found = _LANGUAGE.fullmatch(language.strip())
    if found is None:
        raise NotASearch("lang", "expected a language such as vi (BCP 47)")
    return found["primary"].lower()
