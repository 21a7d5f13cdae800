"""`/healthz`: the process lives; `/readyz`: it can do its work."""

from fastapi import APIRouter, Response
from sqlalchemy.exc import SQLAlchemyError

from publisher.api.answer import Answer
from publisher.api.context import ApiContext
from publisher.migrations import Standing, newest_revision, schema_of


def health_router(context: ApiContext) -> APIRouter:
    """Return the routes that orchestrators ask; they need no key and tell no secrets."""
    router = APIRouter(tags=["Health"])
    newest_revision()  # is read from files, once

    @router.get("/healthz", summary="Does the process live?")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @router.get("/readyz", summary="Can it do its work?", responses={503: {"description": "Not now."}})
    def readyz() -> Response:
        """Check what the web process needs: a database with a schema that serves it; not Redis."""
        ready, checks = _checks(context)
        status = "ok" if ready else "unavailable"
        return Answer.of(200 if ready else 503, {"status": status, "checks": checks}).response()

    return router


def _checks(context: ApiContext) -> tuple[bool, dict[str, str]]:
    try:
        with context.sessions.begin() as session:
            schema = schema_of(session.connection())
    except SQLAlchemyError:
        return False, {"database": "cannot be reached", "schema": "unknown"}
    told = "ok" if schema.standing is Standing.CURRENT else str(schema)
    # While a new version is rolled out, its migrations have run already, and they only add.
    return schema.serves, {"database": "ok", "schema": told}
