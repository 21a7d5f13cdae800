"""What readers meet over HTTP: feeds, the index, the articles.

Nobody needs a key. Whether a copy is still good is answered by one indexed look-up, without a body.
"""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy.exc import SQLAlchemyError

from feeds.catalog import PRIVATE, FeedAddress, PrivateAddress
from feeds.feed import FeedFormat
from feeds.pages import Pages, load_article, load_front
from feeds.serving.answer import Asked, answer_with
from feeds.serving.conditional import entity_tag, is_current, prefers_html
from feeds.serving.store import CACHING, FeedStore
from feeds.style import FeedStyle
from publisher.api.context import ApiContext
from publisher.api.parameters import id_of_path
from publisher.api.problems import Problem, Refused, problem_of
from publisher.errors import PublisherError
from publisher.labels import LabelKind

_KINDS = ", ".join(kind for kind in LabelKind if kind is not LabelKind.ALL)
_PATHS = tuple(
    f"/feeds/{stem}{page}.{{ending}}"
    for stem in ("all", "{kind}/{slug}", "private/{token}")
    for page in ("", "/archive/{first}-{last}")
)
_EVERY_FORMAT = {one.media_type: {"schema": {"type": "string"}} for one in FeedFormat}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"description": "The newest articles, by when they became visible.", "content": _EVERY_FORMAT},
    304: {"description": "Nothing changed (`If-None-Match`, else `If-Modified-Since`)."},
    404: {"description": "There is no such feed."},
}


def feeds_router(store: FeedStore) -> APIRouter:
    """Return the routes of feeds, in every format: `/feeds/all.atom`, `/feeds/category/xa-hoi.json`.

    A feed has one address a format: a slug that is not in its folded form is unknown, and so is whatever
    is no format. Pages of archives lie beside them: `/feeds/all/archive/1-50.atom`.
    """
    router = APIRouter(tags=["Feeds"])

    def feed(request: Request) -> Response:
        return _feed(request, store)

    for path in _PATHS:
        router.add_api_route(path, feed, response_class=Response, responses=_RESPONSES)
    return router


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

        return _page(request, pages, make)

    @router.get("/articles/{article_id}")
    def article(request: Request, article_id: str) -> Response:
        def make() -> str:
            identifier = id_of_path(article_id, "article")
            with context.sessions.begin() as session:
                found = load_article(session, identifier, base_url=style.base_url)
            return pages.article(found)

        return _page(request, pages, make)

    return router


def _unknown(request: Request) -> Refused:
    expected = f"expected /feeds/all or /feeds/<kind>/<slug> (kinds: {_KINDS}), then .atom, .rss or .json"
    detail = f"{request.url.path[:300]}: there is no such feed; {expected}"
    return Refused(Problem(status=404, detail=detail, headers={"Cache-Control": CACHING}))


def _feed(request: Request, store: FeedStore) -> Response:
    path = request.url.path
    address = PrivateAddress.parse(path) if path.startswith(PRIVATE) else FeedAddress.parse(path)
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


def _page(request: Request, pages: Pages, make: Callable[[], str]) -> Response:
    headers = {"Content-Security-Policy": pages.policy, "Vary": "Accept"}
    try:
        body = make().encode("utf-8", "replace")
    except (PublisherError, SQLAlchemyError) as error:
        problem = problem_of(error)
        if problem is None:
            raise
        return _problem_page(request, pages, problem, headers)
    tag = entity_tag(hashlib.sha256(body).hexdigest()[:32])
    headers["ETag"] = tag
    if is_current(tag, _header(request, "if-none-match")):
        return Response(status_code=304, headers=_public(headers))
    return Response(body, headers=_public(headers), media_type="text/html; charset=utf-8")


def _problem_page(request: Request, pages: Pages, problem: Problem, headers: Mapping[str, str]) -> Response:
    if prefers_html(_header(request, "accept") or ""):
        body, media_type = pages.problem(problem.status).encode(), "text/html; charset=utf-8"
        headers = _public({**problem.headers, **headers})
        return Response(body, problem.status, headers=headers, media_type=media_type)
    answer = problem.response()
    answer.headers.update({"Vary": "Accept", "Cache-Control": CACHING})
    return answer


def _public(headers: Mapping[str, str]) -> dict[str, str]:
    return {**headers, "Cache-Control": CACHING, "X-Content-Type-Options": "nosniff"}


def _header(request: Request, name: str) -> str | None:
    """Return a header, several lines of it as one list; None without one."""
    lines = request.headers.getlist(name)
    return ", ".join(lines) if lines else None
