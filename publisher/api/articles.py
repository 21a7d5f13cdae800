"""`/v1/articles`: send in, read, list, take down."""

from dataclasses import replace
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import Select, exists, select
from sqlalchemy.orm import Session

from publisher.access import Scope
from publisher.api.accepting import AcceptQueue, Arrival
from publisher.api.answer import Answer
from publisher.api.article_batch import NDJSON, BatchResponse
from publisher.api.article_out import (
    AcceptedArticle,
    ArticleList,
    ArticleOut,
    Loaded,
    load_articles,
    select_articles,
    show_article,
)
from publisher.api.authentication import needs
from publisher.api.context import ApiContext
from publisher.api.idempotency import Once, idempotent
from publisher.api.json_body import expect_media_type, json_body, json_request
from publisher.api.parameters import Page, Paged, api_router, id_of_path, trace_of
from publisher.api.reporting import report_taken_down
from publisher.article import ArticleStatus, category_of
from publisher.errors import Gone, NotFound
from publisher.ingest.article_in import ArticleIn, parse_article
from publisher.ingest.submission import Submission
from publisher.labels import LabelKind
from publisher.retract import retract
from publisher.schema import ArticleLabelRow, ArticleRow, LabelRow, RevisionRow
from publisher.text import clean_line

BATCH_PATH = "/v1/articles:batch"


def articles_router(context: ApiContext) -> APIRouter:
    """Return the routes of articles."""
    router = api_router("Articles")
    _add_accepting(router, context)
    _add_taking_down(router, context)
    _add_reading(router, context)
    return router


def _add_accepting(router: APIRouter, context: ApiContext) -> None:
    writer = needs(context, Scope.ARTICLES_WRITE)
    queue = AcceptQueue(context)

    @router.post(
        "/articles",
        status_code=201,
        response_model=AcceptedArticle,
        responses={200: {"model": AcceptedArticle, "description": "Unchanged, revised or restored."}},
        openapi_extra=json_request(ArticleIn),
        summary="Send in an article",
    )
    async def accept(
        request: Request,
        once: Annotated[Once, idempotent(context, writer)],
        submission: Annotated[Submission, json_body(parse_article)],
    ) -> Response:
        """The same identity (`url`, `guid`) with the same content changes nothing; with other content
        it is a new revision. A retracted article stays so (409), unless `restore` is true."""
        submission = replace(submission, traceparent=trace_of(request))
        return await queue.accept(Arrival(submission=submission, attempt=once.attempt))

    @router.post(
        "/articles:batch",
        dependencies=[writer],
        response_class=Response,
        responses={200: {"content": {NDJSON: {}}, "description": "A line for each line in, in order."}},
        openapi_extra=json_request(ArticleIn, media_type=NDJSON),
        summary="Send in many articles",
    )
    async def accept_batch(request: Request) -> Response:
        """One article a line. The answers are `{line, outcome, id, uri, sequence}` or `{line, error}`, and
        come while lines still go in: read as you write, or send at most 50,000 lines at once. A bad line
        harms no other."""
        expect_media_type(request, NDJSON)
        return BatchResponse(context, traceparent=trace_of(request))


def _add_taking_down(router: APIRouter, context: ApiContext) -> None:
    @router.delete(
        "/articles/{article_id}",
        dependencies=[needs(context, Scope.ARTICLES_WRITE)],
        response_model=ArticleOut,
        summary="Take an article down",
    )
    def take_down(
        request: Request,
        article_id: str,
        reason: Annotated[str | None, Query(max_length=500, description="Told to subscribers.")] = None,
    ) -> Response:
        """Readers lose it at once; its id answers 410 from then on. Again: the same answer."""
        identifier, trace = id_of_path(article_id, "article"), trace_of(request)
        with context.sessions.begin() as session:
            is_news = retract(session, identifier, reason=clean_line(reason or "") or None, traceparent=trace)
            answer = _answer(_load(session, identifier), context)
        if is_news:
            report_taken_down(identifier, traceparent=trace)
        return answer


def _add_reading(router: APIRouter, context: ApiContext) -> None:
    reader = needs(context, Scope.ARTICLES_READ)

    @router.get(
        "/articles/{article_id}", dependencies=[reader], response_model=ArticleOut, summary="Read an article"
    )
    def read(article_id: str) -> Response:
        """The newest revision, whether or not readers see it yet; 410 once it was retracted."""
        identifier = id_of_path(article_id, "article")
        with context.sessions.begin() as session:
            loaded = _load(session, identifier)
        if loaded[0].status == ArticleStatus.RETRACTED:
            raise Gone(f"article {identifier}: was retracted")
        return _answer(loaded, context)

    @router.get("/articles", dependencies=[reader], response_model=ArticleList, summary="List articles")
    def list_articles(
        page: Paged,
        status: Annotated[ArticleStatus | None, Query(description="Only these.")] = None,
        category: Annotated[
            str | None, Query(max_length=100, description="Only what readers find under it; `xa-hoi`.")
        ] = None,
    ) -> Response:
        """The newest first, by when they were first received."""
        query = _listing(page, status, category)
        with context.sessions.begin() as session:
            rows = session.execute(query).all()
        base_url = context.settings.base_url
        shown = page.show(rows, id_of=lambda row: row[0].id, show=lambda row: show_article(row, base_url))
        return Answer.of(200, ArticleList(**shown)).response()


def _load(session: Session, identifier: UUID) -> Loaded:
    loaded = load_articles(session, [identifier]).get(identifier)
    if loaded is None:
        raise NotFound(f"article {identifier}: is unknown")
    return loaded


def _answer(loaded: Loaded, context: ApiContext) -> Response:
    return Answer.of(200, show_article(loaded, context.settings.base_url)).response()


def _listing(
    page: Page, status: ArticleStatus | None, category: str | None
) -> Select[ArticleRow, RevisionRow, bool]:
    query = select_articles().order_by(ArticleRow.id.desc()).limit(page.limit + 1)
    if page.after is not None:
        query = query.where(ArticleRow.id < page.after)
    if status is not None:
        query = query.where(ArticleRow.status == status)
    if category is not None:
        label = select(LabelRow.id).where(
            LabelRow.kind == LabelKind.CATEGORY, LabelRow.slug == category_of(category).term
        )
        query = query.where(
            exists().where(
                ArticleLabelRow.article_id == ArticleRow.id,
                ArticleLabelRow.label_id == label.scalar_subquery(),
            )
        )
    return query
