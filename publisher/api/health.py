"""`/healthz`: the process lives; `/readyz`: it can do its work."""

from fastapi import APIRouter, Response
from sqlalchemy.exc import SQLAlchemyError

from publisher.api.answer import Answer
from publisher.api.context import ApiContext
from publisher.migrations import newest_revision, revision_of


def health_router(context: ApiContext) -> APIRouter:
    """Return the routes that orchestrators ask; they need no key and tell no secrets."""
    router = APIRouter(tags=["Health"])
    expected = newest_revision()

    @router.get("/healthz", summary="Does the process live?")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @router.get("/readyz", summary="Can it do its work?", responses={503: {"description": "Not now."}})
    def readyz() -> Response:
        """Check what the web process needs: the database, with the schema of this version; not Redis."""
        checks = _checks(context, expected)
        ready = all(result == "ok" for result in checks.values())
        status = "ok" if ready else "unavailable"
        return Answer.of(200 if ready else 503, {"status": status, "checks": checks}).response()

    return router


def _checks(context: ApiContext, expected: str) -> dict[str, str]:
    try:
        with context.sessions() as session:
            found = revision_of(session.connection())
    except SQLAlchemyError:
        return {"database": "cannot be reached", "schema": "unknown"}
    if found == expected:
        return {"database": "ok", "schema": "ok"}
    return {"database": "ok", "schema": f"is at {found}, expected {expected}: run `publisher migrate`"}
