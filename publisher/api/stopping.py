"""Change or delete an endpoint so that, when it is to be told nothing more, that holds from the answer on."""

import asyncio
from uuid import UUID

from fastapi.concurrency import run_in_threadpool

from publisher.api.context import ApiContext
from publisher.notify.endpoints.endpoint_in import EndpointPatch, Reach
from publisher.notify.endpoints.store import Endpoint, change, remove, shard_of
from publisher.notify.endpoints.waiting import SLICE, stop_waiting
from publisher.notify.shards.last_look import PAUSE_S, LastLook


async def change_endpoint(
    context: ApiContext, endpoint_id: UUID, wanted: EndpointPatch, *, reach: Reach
) -> Endpoint:
    """Change what is given; return the endpoint, when it is disabled once no request to it begins any more.

    Raises:
        InvalidInput: when it may not be sent to a URL that is given.
        NotFound: when there is none, or it was deleted.
    """
    endpoint = await run_in_threadpool(_change, context, endpoint_id, wanted, reach)
    if wanted.given.get("enabled") is False:
        await _let_the_last_look_end(context, endpoint_id)
    return endpoint


async def delete_endpoint(context: ApiContext, endpoint_id: UUID) -> None:
    """Delete an endpoint and cancel what waits; return once no request to it begins any more.

    Raises:
        NotFound: when there is none, or it was deleted.
    """
    await run_in_threadpool(_delete, context, endpoint_id)
    await _let_the_last_look_end(context, endpoint_id)


def _change(context: ApiContext, endpoint_id: UUID, wanted: EndpointPatch, reach: Reach) -> Endpoint:
    if "url" in wanted.given:
        # Asks the network, so before the transaction begins.
        reach.check(wanted.url)
    if wanted.given.get("enabled"):
        _stop_waiting(context, endpoint_id)
    with context.sessions.begin() as session:
        endpoint = change(session, endpoint_id, wanted)
    if not endpoint.enabled:
        _stop_waiting(context, endpoint_id)
    return endpoint


def _delete(context: ApiContext, endpoint_id: UUID) -> None:
    with context.sessions.begin() as session:
        remove(session, endpoint_id)
    _stop_waiting(context, endpoint_id)


def _stop_waiting(context: ApiContext, endpoint_id: UUID) -> None:
    """Stop all that waits for the endpoint, unless it is enabled; a transaction a slice."""
    stopped = SLICE
    while stopped == SLICE:
        with context.sessions.begin() as session:
            stopped = stop_waiting(session, endpoint_id)


async def _let_the_last_look_end(context: ApiContext, endpoint_id: UUID) -> None:
    """Return when nothing begins any more that was found before; no thread waits meanwhile."""
    look = LastLook(context.sessions, shard_of(endpoint_id))
    while not await run_in_threadpool(look.is_over):
        await asyncio.sleep(PAUSE_S)
