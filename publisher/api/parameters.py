"""What a request says beside its body: ids, pages, its trace, and nothing that the route does not know."""

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, params
from fastapi.dependencies.utils import get_flat_params
from fastapi.routing import APIRoute

from publisher.api.problems import Problem, Refused, refused_parameter
from publisher.errors import NotFound
from publisher.traceparent import traceparent_of

_CANONICAL = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)
_Row = TypeVar("_Row")


@dataclass(frozen=True, kw_only=True)
class Page:
    """The part of a list that is asked for.

    Attributes:
        limit: rows at most, 1 to 100.
        after: the last id of the page before; the list goes on below it.
    """

    limit: int
    after: UUID | None = None

    def show(
        self, rows: Sequence[_Row], *, id_of: Callable[[_Row], UUID], show: Callable[[_Row], Any]
    ) -> dict[str, Any]:
        """Return the list as clients see it.

        Args:
            rows: by descending id, one more than `limit` if there are more.
        """
        has_more = len(rows) > self.limit
        rows = rows[: self.limit]
        return {
            "data": [show(row) for row in rows],
            "has_more": has_more,
            "next_cursor": _cursor(id_of(rows[-1])) if has_more else None,
        }


def api_router(tag: str) -> APIRouter:
    """Return a router under /v1 whose routes refuse query parameters that they do not know."""
    return APIRouter(prefix="/v1", tags=[tag], dependencies=[Depends(_refuse_unknown)])


def page(
    limit: Annotated[int, Query(ge=1, le=100, description="Rows at most.")] = 50,
    cursor: Annotated[str | None, Query(description="`next_cursor` of the page before.")] = None,
) -> Page:
    """Return the page that is asked for.

    Raises:
        Refused: 422 when the cursor is none of ours.
    """
    return Page(limit=limit, after=None if cursor is None else _after(cursor))


Paged = Annotated[Page, Depends(page)]


def id_of_path(text: str, kind: str) -> UUID:
    """Return the id in a path.

    Raises:
        NotFound: when it is no UUID, so there cannot be anything under it.
    """
    if not _CANONICAL.fullmatch(text):
        raise NotFound(f"{kind} {text[:100]}: is unknown")
    return UUID(text)


async def _refuse_unknown(request: Request) -> None:
    if not request.query_params:
        return
    route = request.scope["route"]
    assert isinstance(route, APIRoute)
    declared = get_flat_params(route.dependant)
    known = {one.alias for one in declared if isinstance(one.field_info, params.Query)}
    unknown = sorted(set(request.query_params) - known)
    if unknown:
        expected = f"expected one of {', '.join(sorted(known))}" if known else "expected none"
        errors = tuple({"parameter": one[:100], "detail": f"is unknown; {expected}"} for one in unknown[:100])
        raise Refused(
            Problem(
                status=422,
                detail=f"{unknown[0][:100]}: is no parameter of this request; {expected}",
                errors=errors,
            )
        )


def trace_of(request: Request) -> str | None:
    """Return the trace that a request belongs to, as its `traceparent` header names it."""
    return traceparent_of(request.headers.getlist("traceparent"))


def _cursor(identifier: UUID) -> str:
    return base64.urlsafe_b64encode(identifier.bytes).decode().rstrip("=")


def _after(cursor: str) -> UUID:
    try:
        return UUID(bytes=base64.b64decode(cursor + "==", altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        raise refused_parameter("cursor", "expected a `next_cursor` of this list") from None
