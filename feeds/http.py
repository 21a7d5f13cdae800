"""What readers meet over HTTP: feeds, the index, the articles.

Nobody needs a key.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from feeds.address import Address
from feeds.answers import FewAtOnce, page_answer, preflight_answer
from feeds.catalog import PRIVATE, FeedAddress, PrivateAddress
from feeds.feed import FeedFormat
from feeds.pages import Pages, load_article, load_front
from feeds.search.address import SEARCH_PATH, SearchAddress
from feeds.search.query import NotASearch, parse_search
from feeds.serving.answer import Asked, answer_with
from feeds.serving.headers import CACHING, FOR_EVERYBODY, PRIVATE_CACHING
from feeds.serving.store import FeedStore
from feeds.style import FeedStyle
from publisher.api.context import ApiContext
from publisher.api.parameters import id_of_path
from publisher.api.problems import Problem, Refused, refused_parameter
from publisher.labels import LabelKind

_KINDS = ", ".join(kind for kind in LabelKind if kind is not LabelKind.ALL)
_PAGES = ("", "/archive/{first}-{last}")
_PUBLIC_PATHS = tuple(
    f"/feeds/{stem}{page}.{{ending}}" for stem in ("all", "{kind}/{slug}") for page in _PAGES
)
_SEARCH_PATH = f"{SEARCH_PATH}.{{ending}}"
_PRIVATE_PATHS = tuple(f"/feeds/private/{{token}}{page}.{{ending}}" for page in _PAGES)
_EVERY_FORMAT = {one.media_type: {"schema": {"type": "string"}} for one in FeedFormat}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The newest articles, as they came into the feed.",
        "content": _EVERY_FORMAT,
    },
    304: {"description": "Nothing changed (`If-None-Match`, else `If-Modified-Since`)."},
    404: {"description": "There is no such feed."},
}
_DELTA = "With `A-IM: feed`: only what is new or changed since the version that `If-None-Match` names."
_RESPONSES_OF_FEEDS = {**_RESPONSES, 226: {"description": _DELTA, "content": _EVERY_FORMAT}}
_RESPONSES_TO_SEARCHES: dict[int | str, dict[str, Any]] = {
    **_RESPONSES,
    200: {"description": "What was found, the newest first; maybe nothing.", "content": _EVERY_FORMAT},
    404: {"description": "There is no such format."},
    429: {"description": "Too many searches at once; `Retry-After`."},
}
# Half of the threads that there are: the others are for those who publish, whatever is searched for.
_THREADS_FOR_SEARCHES = 20
_Q = 'Words that all have to be there, "phrases", and -words or -"phrases" that must not.'
_CATEGORY = "Slug or name; of several, one has to be the article's."
_LANG = "Of the article, such as `vi` (BCP 47)."


def feeds_router(store: FeedStore) -> APIRouter:
    """Return the routes of feeds, in every format: `/feeds/all.atom`, `/feeds/category/xa-hoi.json`.

    A feed has one address a format: a slug that is not in its folded form is unknown, and so is whatever
    is no format. Pages of archives lie beside them: `/feeds/all/archive/1-50.atom`. A search has its feed
    at any address that says it, and says which of them is its own: `/feeds/search.atom?q=…`.
    """
    router = APIRouter(tags=["Feeds"])
    _add_search(router, store)

    def feed(request: Request) -> Response:
        path = request.url.path
        private = path.startswith(PRIVATE)
        return _feed(request, store, (PrivateAddress if private else FeedAddress).parse(path))

    for path in (*_PUBLIC_PATHS, *_PRIVATE_PATHS):
        responses = _RESPONSES if _PAGES[1] in path else _RESPONSES_OF_FEEDS
        router.get(path, response_class=Response, responses=responses)(feed)
    for path in (_SEARCH_PATH, *_PUBLIC_PATHS):
        router.options(path, include_in_schema=False)(preflight_answer)
    return router


def _add_search(router: APIRouter, store: FeedStore) -> None:
    @router.get(_SEARCH_PATH, response_class=Response, responses=_RESPONSES_TO_SEARCHES)
    @FewAtOnce(_THREADS_FOR_SEARCHES, what="searches")
    def search(
        request: Request,
        ending: str,
        category: Annotated[list[str], Query(description=_CATEGORY, default_factory=list)],
        q: Annotated[str, Query(description=_Q)] = "",
        lang: Annotated[str, Query(description=_LANG)] = "",
    ) -> Response:
        if ending not in list(FeedFormat):
            raise _unknown(request)
        try:
            asked = parse_search(q, category, lang)
        except NotASearch as error:
            raise refused_parameter(error.parameter, error.detail) from error
        return _feed(request, store, SearchAddress(search=asked, format=FeedFormat(ending)))


def pages_router(context: ApiContext) -> APIRouter:
    """Return the routes of pages for people: `/` and `/articles/{id}`."""
    router = APIRouter(include_in_schema=False)
    style = FeedStyle.of(context.settings)
    pages = Pages(style, context.settings.zone)

    @router.get("/")
    def index(request: Request) -> Response:
        def make() -> str:
            with context.sessions.begin() as session:
                front = load_front(session)
            return pages.index(front)

        return page_answer(request, pages, make)

    @router.get("/articles/{article_id}")
    def article(request: Request, article_id: str) -> Response:
        def make() -> str:
            identifier = id_of_path(article_id, "article")
            with context.sessions.begin() as session:
                found = load_article(session, identifier, base_url=style.base_url)
            return pages.article(found)

        return page_answer(request, pages, make)

    return router


def _unknown(request: Request) -> Refused:
    expected = f"expected /feeds/all or /feeds/<kind>/<slug> (kinds: {_KINDS}), then .atom, .rss or .json"
    detail = f"{request.url.path[:300]}: there is no such feed; {expected}"
    if request.url.path.startswith(PRIVATE):
        return Refused(
            Problem(status=404, detail="there is no such feed", headers={"Cache-Control": PRIVATE_CACHING})
        )
    return Refused(Problem(status=404, detail=detail, headers={**FOR_EVERYBODY, "Cache-Control": CACHING}))


def _feed(request: Request, store: FeedStore, address: Address | None) -> Response:
    document = store.document(address) if address else None
    if document is None:
        raise _unknown(request)
    asked = Asked.of(request.headers.raw)
    if asked.coding is None:
        detail = "accept-encoding: expected br, gzip or identity among them"
        raise Refused(Problem(status=406, detail=detail, headers={"Vary": "Accept-Encoding"}))
    answer = answer_with(document, document.coded(asked.coding), asked)
    response = Response(answer.body, answer.status)
    response.raw_headers = list(answer.headers)
    return response
