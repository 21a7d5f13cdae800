"""Directories over HTTP, for people and for programs: which feeds there are, and which articles."""

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request, Response

from feeds.answers import FewAtOnce, file_answer, page_answer
from feeds.directory import DirectoryPart, EveryFeed, read_directory, read_every_feed
from feeds.feed import FeedFormat
from feeds.opml import MEDIA_TYPE as OPML
from feeds.opml import Folder, Subscription, opml
from feeds.pages import Pages
from feeds.serving.headers import CACHING, FOR_EVERYBODY
from feeds.sitemap_content import read_block, read_news, read_numbers
from feeds.sitemaps import MEDIA_TYPE as XML
from feeds.sitemaps import article_sitemap, news_sitemap, sitemap_index
from feeds.style import FeedStyle
from feeds.words import words_for
from publisher.api.context import ApiContext
from publisher.api.problems import Problem, Refused

_TEXT = "text/plain"
# What needs a key or a token is nobody's to find by chance.
_ROBOTS = """User-agent: *
Disallow: /v1/
Disallow: /feeds/private/

Sitemap: {base_url}/sitemap.xml
"""


# Each walks through thousands of rows: most connections are for those who publish, and for feeds.
_AT_ONCE = 4


def directories_router(context: ApiContext) -> APIRouter:
    """Return the routes of what there is: `/feeds`, `/feeds.opml`, sitemaps, `/robots.txt`.

    A few are made at once; whoever comes on top is asked to come back.
    """
    router = APIRouter(tags=["Directories"])
    style = FeedStyle.of(context.settings)
    few = FewAtOnce(_AT_ONCE, what="lists")
    _add_page(router, context, style, few)
    _add_files(router, context, style, few)
    _add_sitemaps(router, context, style, few)
    return router


def _add_page(router: APIRouter, context: ApiContext, style: FeedStyle, few: FewAtOnce) -> None:
    pages = Pages(style, context.settings.zone)

    @router.get("/feeds", include_in_schema=False)
    @few
    def directory(request: Request) -> Response:
        def make() -> str:
            part = DirectoryPart.parse(request.query_params.get("kind"), request.query_params.get("from"))
            with context.sessions.begin() as session:
                groups = read_directory(session, part)
            return pages.directory(part, groups)

        return page_answer(request, pages, make, policy=pages.policy_of_directory)


def _add_files(router: APIRouter, context: ApiContext, style: FeedStyle, few: FewAtOnce) -> None:
    @router.get("/feeds.opml", response_class=Response, responses=_file_of(OPML, "All feeds, as OPML 2.0."))
    @few
    def subscriptions(request: Request) -> Response:
        with context.sessions.begin() as session:
            every = read_every_feed(session)
        return file_answer(request, _opml(every, style), content_type=_utf8(OPML))

    @router.get("/robots.txt", response_class=Response, responses=_file_of(_TEXT, "What crawlers may read."))
    def robots(request: Request) -> Response:
        body = _ROBOTS.format(base_url=style.base_url).encode()
        return file_answer(request, body, content_type=_utf8(_TEXT))


def _add_sitemaps(router: APIRouter, context: ApiContext, style: FeedStyle, few: FewAtOnce) -> None:
    @router.get("/sitemap.xml", response_class=Response, responses=_file_of(XML, "All sitemaps."))
    @few
    def index(request: Request) -> Response:
        with context.sessions.begin() as session:
            numbers = read_numbers(session)
        return file_answer(request, sitemap_index(style.base_url, numbers), content_type=_utf8(XML))

    @router.get("/sitemaps/news.xml", response_class=Response, responses=_file_of(XML, "News of two days."))
    @few
    def news(request: Request) -> Response:
        with context.sessions.begin() as session:
            found = read_news(session, at=datetime.now(UTC))
        body = news_sitemap(style.base_url, found, name=style.title, language=style.language)
        return file_answer(request, body, content_type=_utf8(XML))

    @router.get(
        "/sitemaps/articles-{number}.xml", response_class=Response, responses=_file_of(XML, "Some articles.")
    )
    @few
    def articles(request: Request, number: str) -> Response:
        with context.sessions.begin() as session:
            found = read_block(session, int(number)) if _is_number(number) else None
        if found is None:
            raise _no_such_sitemap(request)
        return file_answer(request, article_sitemap(style.base_url, found), content_type=_utf8(XML))


def _opml(every: EveryFeed, style: FeedStyle) -> bytes:
    words = words_for(style.language)

    def subscription(name: str, path: str) -> Subscription:
        url = f"{style.base_url}{path}.{FeedFormat.ATOM}"
        return Subscription(name=name, url=url, home_url=f"{style.base_url}/")

    return opml(
        style.title,
        every.changed_at,
        first=[subscription(style.title, "/feeds/all")],
        folders=[
            Folder(
                name=words.kinds[group.kind],
                subscriptions=[subscription(feed.term, feed.path) for feed in group.feeds],
            )
            for group in every.groups
        ],
    )


def _no_such_sitemap(request: Request) -> Refused:
    detail = f"{request.url.path[:300]}: there is no such sitemap; /sitemap.xml lists those that there are"
    return Refused(Problem(status=404, detail=detail, headers={**FOR_EVERYBODY, "Cache-Control": CACHING}))


def _is_number(text: str) -> bool:
    """Return whether a path says a number in the only way in which we write it."""
    return text.isascii() and text.isdigit() and text[0] != "0" and len(text) < 10


def _utf8(media_type: str) -> str:
    return f"{media_type}; charset=utf-8"


def _file_of(media_type: str, description: str) -> dict[int | str, dict[str, Any]]:
    return {
        200: {"description": description, "content": {media_type: {"schema": {"type": "string"}}}},
        304: {"description": "Nothing changed (`If-None-Match`)."},
    }
