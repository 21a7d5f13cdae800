"""`POST …/replay`: the past of an endpoint, or a single delivery, sent again."""

from typing import Annotated

from fastapi import APIRouter, Request, Response
from sqlalchemy.orm import Session

from publisher.access import Scope
from publisher.api.answer import Answer
from publisher.api.authentication import needs
from publisher.api.context import ApiContext
from publisher.api.endpoint_out import ReplayOut
from publisher.api.idempotency import Once, idempotent
from publisher.api.json_body import json_request
from publisher.api.model_body import empty_body, model_body
from publisher.api.parameters import api_router, id_of_path, trace_of
from publisher.notify.replaying.replay import replay
from publisher.notify.replaying.replay_in import ReplayIn
from publisher.notify.replaying.replay_one import replay_one

_ONE = "/endpoints/{endpoint_id}"


def replaying_router(context: ApiContext) -> APIRouter:
    """Return the routes that send something again."""
    router = api_router("Endpoints")
    _add_many(router, context)
    _add_one(router, context)
    return router


def _add_many(router: APIRouter, context: ApiContext) -> None:
    writer = needs(context, Scope.ENDPOINTS_WRITE)

    @router.post(
        f"{_ONE}/replay",
        status_code=202,
        response_model=ReplayOut,
        openapi_extra=json_request(ReplayIn),
        summary="Send the past again",
    )
    def send_again(
        request: Request,
        endpoint_id: str,
        once: Annotated[Once, idempotent(context, writer)],
        wanted: Annotated[ReplayIn, model_body(ReplayIn)],
    ) -> Response:
        """What failed, what was held, and what the endpoint asks for but was never given (`missing`, from
        before it was registered, too), once each, one after the other. 409 while it is disabled."""
        identifier = id_of_path(endpoint_id, "endpoint")

        def work(session: Session) -> Answer:
            replayed = replay(session, identifier, wanted.past, traceparent=trace_of(request))
            return Answer.of(202, ReplayOut(replayed=replayed))

        return once.answer(work)


def _add_one(router: APIRouter, context: ApiContext) -> None:
    writer = needs(context, Scope.ENDPOINTS_WRITE)

    @router.post(
        f"{_ONE}/deliveries/{{delivery_id}}/replay",
        status_code=202,
        response_model=ReplayOut,
        summary="Send a delivery again",
    )
    def send_one_again(
        endpoint_id: str,
        delivery_id: str,
        once: Annotated[Once, idempotent(context, writer)],
        _: Annotated[None, empty_body()],
    ) -> Response:
        """At once, under the same `webhook-id`, whatever came of it: one that arrived, too. 409 while the
        endpoint is disabled, and when the message was scrubbed or is no longer kept."""
        endpoint, delivery = id_of_path(endpoint_id, "endpoint"), id_of_path(delivery_id, "delivery")

        def work(session: Session) -> Answer:
            replay_one(session, endpoint, delivery)
            return Answer.of(202, ReplayOut(replayed=1))

        return once.answer(work)
