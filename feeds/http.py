"""What readers meet over HTTP: feeds, the index, the articles. The only module here that knows Starlette.

Nobody needs a key. Whether a copy is still good is answered by one indexed look-up, without a body.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy.exc import SQLAlchemyError

from feeds.conditional import (
    Coding,
    choose_coding,
    entity_tag,
    is_current,
    is_unmodified,
    last_modified,
    prefers_html,
)
from feeds.feed import FeedFormat
from feeds.pages import Pages, load_article, load_front
from feeds.served import FeedAddress
from feeds.store import FeedStore
from feeds.style import FeedStyle
from publisher.api.context import ApiContext
from publisher.api.parameters import id_of_path
from publisher.api.problems import Problem, Refused, problem_of
from publisher.errors import PublisherError
from publisher.labels import LabelKind

CACHING = "public, max-age=0, must-revalidate"
"""Caches may keep everything and have to ask each time, so that a takedown holds for them, too, at once."""

_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_EVERY_FORMAT = {one.media_type: {"schema": {"type": "string"}} for one in FeedFormat}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"description": "The newest articles, by when they became visible.", "content": _EVERY_FORMAT},
    304: {"description": "Nothing changed (`If-None-Match`, else `If-Modified-Since`)."},
    404: {"description": "There is no such feed."},
}


def feeds_router(context: ApiContext) -> APIRouter:
    """Return the routes of feeds, in every format: `/feeds/all.atom`, `/feeds/category/xa-hoi.json`.

    A feed has one address a format: a slug that is not in its folded form is unknown, and so is whatever
    is no format.
    """
    router = APIRouter(tags=["Feeds"])
    style = FeedStyle.of(context.settings)
    store = FeedStore(context.sessions, style)

    @router.get("/feeds/all.{ending}", response_class=Response, responses=_RESPONSES)
    def all_articles(request: Request, ending: str) -> Response:
        return _feed(request, store, _address(request, LabelKind.ALL, "all", ending), style.base_url)

    @router.get("/feeds/category/{slug}.{ending}", response_class=Response, responses=_RESPONSES)
    def category(request: Request, slug: str, ending: str) -> Response:
        return _feed(request, store, _address(request, LabelKind.CATEGORY, slug, ending), style.base_url)

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


def _address(request: Request, kind: LabelKind, slug: str, ending: str) -> FeedAddress:
    if ending not in list(FeedFormat) or not _SLUG.fullmatch(slug):
        raise _unknown(request)
    return FeedAddress(kind=kind, slug=slug, format=FeedFormat(ending))


def _unknown(request: Request) -> Refused:
    expected = "expected /feeds/all or /feeds/category/<slug>, then .atom, .rss or .json"
    detail = f"{request.url.path[:300]}: there is no such feed; {expected}"
    return Refused(Problem(status=404, detail=detail, headers={"Cache-Control": CACHING}))


def _feed(request: Request, store: FeedStore, address: FeedAddress, base_url: str) -> Response:
    version = store.version(address)
    if version is None:
        raise _unknown(request)
    coding = choose_coding(_header(request, "accept-encoding") or "")
    if coding is None:
        detail = "accept-encoding: expected gzip or identity among them"
        raise Refused(Problem(status=406, detail=detail, headers={"Vary": "Accept-Encoding"}))
    self_link = f'<{base_url}{address.path}>; rel="self"; type="{address.format.media_type}"'
    headers = {"Link": self_link, "Vary": "Accept-Encoding", "Access-Control-Allow-Origin": "*"}
    validators = _validators(version.etag, coding, version.changed_at)
    if _is_good(request, validators["ETag"], version.changed_at):
        return Response(status_code=304, headers=_public(headers | validators))
    document = store.document(version)
    headers |= _validators(document.version.etag, coding, document.version.changed_at)
    if coding is not Coding.IDENTITY:
        headers["Content-Encoding"] = coding
    return Response(document.coded(coding), headers=_public(headers), media_type=address.format.content_type)


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


def _is_good(request: Request, tag: str, changed_at: datetime) -> bool:
    tags = _header(request, "if-none-match")
    if tags is not None:  # it wins over the date, whatever it says
        return is_current(tag, tags)
    return is_unmodified(changed_at, _header(request, "if-modified-since"), at=datetime.now(UTC))


def _validators(etag: str, coding: Coding, changed_at: datetime) -> dict[str, str]:
    return {
        "ETag": entity_tag(etag, coding),
        "Last-Modified": last_modified(changed_at, at=datetime.now(UTC)),
    }


def _public(headers: Mapping[str, str]) -> dict[str, str]:
    return {**headers, "Cache-Control": CACHING, "X-Content-Type-Options": "nosniff"}


def _header(request: Request, name: str) -> str | None:
    """Return a header, several lines of it as one list; None without one."""
    lines = request.headers.getlist(name)
    return ", ".join(lines) if lines else None
