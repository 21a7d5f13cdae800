"""`/v1/private-feeds`: make a feed for one reader, replace its token, revoke it."""

from collections.abc import Callable, Mapping
from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from publisher.access import ApiKey, Scope
from publisher.api.answer import Answer
from publisher.api.authentication import needs
from publisher.api.context import ApiContext
from publisher.api.idempotency import Once, idempotent
from publisher.api.json_body import json_request
from publisher.api.model_body import empty_body, model_body
from publisher.api.parameters import Paged, api_router, id_of_path
from publisher.api.private_feed_out import NewPrivateFeedOut, PrivateFeedList, PrivateFeedOut
from publisher.private_feeds import (
    PrivateFeed,
    create_private_feed,
    newest_private_feeds,
    read_private_feed,
    revoke_private_feed,
    rotate_token,
)

_KIND = "private feed"
_ONE = "/private-feeds/{feed_id}"
UrlsOf = Callable[[str], Mapping[str, str]]
"""Returns the addresses, by format, that a token opens."""


class PrivateFeedIn(BaseModel):
    """A private feed to be made."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"name": "Toà soạn báo A"}]})

    name: str = Field(description="Whose it is, for people: 1 to 100 characters.")
    feed: str = Field("all", description="What it shows: `all`, or `<kind>/<slug>`, as `category/xa-hoi`.")


def private_feeds_router(context: ApiContext, urls_of: UrlsOf) -> APIRouter:
    """Return the routes of private feeds."""
    router = api_router("Private feeds")
    _add_making(router, context, urls_of)
    _add_rotating(router, context, urls_of)
    _add_revoking(router, context)
    _add_reading(router, context)
    return router


def _add_making(router: APIRouter, context: ApiContext, urls_of: UrlsOf) -> None:
    writer = needs(context, Scope.FEEDS_WRITE)

    @router.post(
        "/private-feeds",
        status_code=201,
        response_model=NewPrivateFeedOut,
        openapi_extra=json_request(PrivateFeedIn),
        summary="Make a private feed",
    )
    def make(
        key: Annotated[ApiKey, writer],
        once: Annotated[Once, idempotent(context, writer)],
        wanted: Annotated[PrivateFeedIn, model_body(PrivateFeedIn)],
    ) -> Response:
        """The answer is the only one that shows `urls`."""

        def work(session: Session) -> Answer:
            feed, token = create_private_feed(session, name=wanted.name, feed=wanted.feed, owner=key.id)
            return Answer.of(201, _new(feed, token, urls_of), location=f"/v1/private-feeds/{feed.id}")

        return once.answer(work)


def _add_rotating(router: APIRouter, context: ApiContext, urls_of: UrlsOf) -> None:
    writer = needs(context, Scope.FEEDS_WRITE)

    @router.post(f"{_ONE}/rotate", response_model=NewPrivateFeedOut, summary="Replace the token")
    def rotate(
        feed_id: str,
        once: Annotated[Once, idempotent(context, writer)],
        _: Annotated[None, empty_body()],
    ) -> Response:
        """The old addresses are unknown at once."""
        identifier = id_of_path(feed_id, _KIND)

        def work(session: Session) -> Answer:
            return Answer.of(200, _new(*rotate_token(session, identifier), urls_of))

        return once.answer(work)


def _add_revoking(router: APIRouter, context: ApiContext) -> None:
    writer = needs(context, Scope.FEEDS_WRITE)

    @router.delete(_ONE, dependencies=[writer], status_code=204, summary="Revoke a private feed")
    def revoke(feed_id: str) -> Response:
        """Its addresses are unknown at once, and for ever; it stays in the list."""
        with context.sessions.begin() as session:
            revoke_private_feed(session, id_of_path(feed_id, _KIND))
        return Response(status_code=204)


def _add_reading(router: APIRouter, context: ApiContext) -> None:
    reader = needs(context, Scope.FEEDS_READ)

    @router.get(
        "/private-feeds", dependencies=[reader], response_model=PrivateFeedList, summary="List private feeds"
    )
    def list_feeds(page: Paged) -> Response:
        """The newest first, without their tokens."""
        with context.sessions.begin() as session:
            rows = newest_private_feeds(session, limit=page.limit + 1, before=page.after)
        shown = page.show(rows, id_of=lambda one: one.id, show=PrivateFeedOut.of)
        return Answer.of(200, PrivateFeedList(**shown)).response()

    @router.get(_ONE, dependencies=[reader], response_model=PrivateFeedOut, summary="Read a private feed")
    def read_one(feed_id: str) -> Response:
        """Without its token."""
        with context.sessions.begin() as session:
            feed = read_private_feed(session, id_of_path(feed_id, _KIND))
        return Answer.of(200, PrivateFeedOut.of(feed)).response()


def _new(feed: PrivateFeed, token: str, urls_of: UrlsOf) -> NewPrivateFeedOut:
    return NewPrivateFeedOut.of(feed, urls=dict(urls_of(token)))
