"""What every router of the API is built with.

A router is a function `…_router(context: ApiContext) -> APIRouter`, composed in `workers/web.py`:

    def things_router(context: ApiContext) -> APIRouter:
        router = api_router("Things")
        writer = needs(context, Scope.ENDPOINTS_WRITE)
        once = idempotent(context, writer)

        @router.post("/things", status_code=201, openapi_extra=json_request(ThingIn))
        def create(thing: Annotated[ThingIn, json_body(ThingIn)], once: Annotated[Once, once]) -> Response:
            return once.answer(lambda session: Answer.of(201, create_thing(session, thing)))

        return router

A dependency that refuses goes before one that reads the body, so `needs` is the first parameter, or
stands in `dependencies=[…]`; `idempotent` implies it. Handlers that touch the database are plain `def`.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from publisher.api.key_ring import KeyRing
from publisher.database import Sessions
from publisher.ingest.decision import Outcome
from publisher.notify.secrets.box import SecretBox
from publisher.settings import Settings


@dataclass(frozen=True, kw_only=True)
class ApiContext:
    """The process's settings, its way to the database, its keys, its cipher.

    Attributes:
        on_accepted: hears what became of articles, once that is committed.
    """

    settings: Settings
    sessions: Sessions
    keys: KeyRing
    box: SecretBox
    on_accepted: Callable[[Collection[Outcome]], None] = lambda _: None
