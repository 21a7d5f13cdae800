"""`/v1/endpoints`: register, read, change, test, and what became of every delivery."""

from datetime import UTC, datetime
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.orm import Session

from publisher.access import ApiKey, Scope
from publisher.api.answer import Answer
from publisher.api.authentication import needs
from publisher.api.context import ApiContext
from publisher.api.endpoint_out import (
    DeliveryList,
    DeliveryOut,
    EndpointList,
    EndpointOut,
    MessageOut,
    NewEndpointOut,
    SecretOut,
)
from publisher.api.idempotency import Once, idempotent
from publisher.api.json_body import json_request
from publisher.api.model_body import empty_body, model_body, optional_body
from publisher.api.parameters import Paged, api_router, id_of_path, trace_of
from publisher.api.stopping import change_endpoint, delete_endpoint
from publisher.notify.endpoints.endpoint_in import EndpointIn, EndpointPatch, Reach
from publisher.notify.endpoints.store import create, newest, read, rotate_secret, send_test
from publisher.notify.fan_out.message import message_name
from publisher.notify.history.deliveries import newest_deliveries
from publisher.notify.outcome import DeliveryState
from publisher.notify.secrets.box import show_secret
from publisher.notify.secrets.secret_in import RotationIn

_KIND = "endpoint"
_ONE = "/endpoints/{endpoint_id}"


def endpoints_router(context: ApiContext) -> APIRouter:
    """Return the routes of endpoints."""
    router = api_router("Endpoints")
    _add_registering(router, context)
    _add_rotating(router, context)
    _add_changing(router, context)
    _add_sending(router, context)
    _add_reading(router, context)
    return router


def _add_registering(router: APIRouter, context: ApiContext) -> None:
    writer = needs(context, Scope.ENDPOINTS_WRITE)
    reach = _reach(context)

    @router.post(
        "/endpoints",
        status_code=201,
        response_model=NewEndpointOut,
        openapi_extra=json_request(EndpointIn),
        summary="Register an endpoint",
    )
    def register(
        key: Annotated[ApiKey, writer],
        once: Annotated[Once, idempotent(context, writer)],
        wanted: Annotated[EndpointIn, model_body(EndpointIn)],
    ) -> Response:
        """It is told of what is published from then on. The answer is the only one that shows `secret`."""
        # Asks the network, so before the transaction begins.
        reach.check(wanted.url)

        def work(session: Session) -> Answer:
            endpoint, secret = create(session, wanted, box=context.box, owner=key.id)
            shown = NewEndpointOut.of(endpoint, at=datetime.now(UTC), secret=show_secret(secret))
            return Answer.of(201, shown, location=f"/v1/endpoints/{endpoint.id}")

        return once.answer(work)


def _add_rotating(router: APIRouter, context: ApiContext) -> None:
    writer = needs(context, Scope.ENDPOINTS_WRITE)

    @router.post(
        f"{_ONE}/rotate-secret",
        response_model=SecretOut,
        openapi_extra=json_request(RotationIn, required=False),
        summary="Replace the secret",
    )
    def rotate(
        endpoint_id: str,
        once: Annotated[Once, idempotent(context, writer)],
        wanted: Annotated[RotationIn, optional_body(RotationIn)],
    ) -> Response:
        """For 24 hours, or `overlap_s`, every request carries signatures by the old secret, too."""
        identifier = id_of_path(endpoint_id, _KIND)

        def work(session: Session) -> Answer:
            secret, expire_at = rotate_secret(
                session, identifier, box=context.box, at=datetime.now(UTC), wanted=wanted.rotation
            )
            shown = SecretOut(secret=show_secret(secret), old_secrets_expire_at=expire_at)
            return Answer.of(200, shown)

        return once.answer(work)


def _add_changing(router: APIRouter, context: ApiContext) -> None:
    writer = needs(context, Scope.ENDPOINTS_WRITE)
    reach = _reach(context)

    @router.patch(
        _ONE,
        dependencies=[writer],
        response_model=EndpointOut,
        openapi_extra=json_request(EndpointPatch),
        summary="Change, disable or enable an endpoint",
    )
    async def patch(
        endpoint_id: str, wanted: Annotated[EndpointPatch, model_body(EndpointPatch)]
    ) -> Response:
        """Members that are left out stay as they are. `enabled: false` holds what waits, and once it is
        answered no request begins; enabling again does not release it: replay it."""
        endpoint = await change_endpoint(context, id_of_path(endpoint_id, _KIND), wanted, reach=reach)
        return Answer.of(200, EndpointOut.of(endpoint, at=datetime.now(UTC))).response()

    @router.delete(_ONE, dependencies=[writer], status_code=204, summary="Delete an endpoint")
    async def delete(endpoint_id: str) -> Response:
        """What waits is cancelled; once it is answered, no request to it begins."""
        await delete_endpoint(context, id_of_path(endpoint_id, _KIND))
        return Response(status_code=204)


def _add_sending(router: APIRouter, context: ApiContext) -> None:
    writer = needs(context, Scope.ENDPOINTS_WRITE)

    @router.post(f"{_ONE}/test", status_code=202, response_model=MessageOut, summary="Send a test message")
    def test(
        request: Request,
        endpoint_id: str,
        once: Annotated[Once, idempotent(context, writer)],
        _: Annotated[None, empty_body()],
    ) -> Response:
        """An `endpoint.test` to this endpoint alone, whatever it asks for. 409 while it is disabled."""
        identifier = id_of_path(endpoint_id, _KIND)

        def work(session: Session) -> Answer:
            message_id = send_test(session, identifier, traceparent=trace_of(request))
            return Answer.of(202, MessageOut(message_id=message_name(message_id)))

        return once.answer(work)


def _add_reading(router: APIRouter, context: ApiContext) -> None:
    reader = needs(context, Scope.ENDPOINTS_READ)

    @router.get("/endpoints", dependencies=[reader], response_model=EndpointList, summary="List endpoints")
    def list_endpoints(page: Paged) -> Response:
        """The newest first."""
        with context.sessions.begin() as session:
            rows = newest(session, limit=page.limit + 1, before=page.after)
        shown = page.show(rows, id_of=lambda one: one.id, show=partial(EndpointOut.of, at=datetime.now(UTC)))
        return Answer.of(200, EndpointList(**shown)).response()

    @router.get(_ONE, dependencies=[reader], response_model=EndpointOut, summary="Read an endpoint")
    def read_one(endpoint_id: str) -> Response:
        """Without its secret."""
        with context.sessions.begin() as session:
            endpoint = read(session, id_of_path(endpoint_id, _KIND))
        return Answer.of(200, EndpointOut.of(endpoint, at=datetime.now(UTC))).response()

    @router.get(
        f"{_ONE}/deliveries",
        dependencies=[reader],
        response_model=DeliveryList,
        summary="List an endpoint's deliveries",
    )
    def list_deliveries(
        endpoint_id: str,
        page: Paged,
        state: Annotated[DeliveryState | None, Query(description="Only these.")] = None,
    ) -> Response:
        """The newest messages first, each with all its attempts."""
        identifier = id_of_path(endpoint_id, _KIND)
        with context.sessions.begin() as session:
            read(session, identifier)
            rows = newest_deliveries(
                session, identifier, limit=page.limit + 1, state=state, before=page.after
            )
        shown = page.show(rows, id_of=lambda one: one.message_id, show=DeliveryOut.of)
        return Answer.of(200, DeliveryList(**shown)).response()


def _reach(context: ApiContext) -> Reach:
    settings = context.settings
    return Reach(allowed=settings.allowed_networks, allow_http=settings.allow_http)
