"""Errors as clients see them: application/problem+json (RFC 9457), whatever went wrong."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnection
from starlette.exceptions import HTTPException
from starlette.routing import Match

from publisher.errors import Conflict, FieldProblem, Gone, InvalidInput, NotFound, PublisherError
from publisher.field_problems import detail_of
from publisher.hindrance import hindrance_of

MEDIA_TYPE = "application/problem+json"
_MOST_ERRORS = 100
_LONGEST_NAME = 300
_RETRY_AFTER_S = 2
_PLACES = {"query": "parameter", "header": "header", "path": "parameter", "cookie": "cookie"}
_STATUSES: Mapping[type[PublisherError], int] = {NotFound: 404, Gone: 410, Conflict: 409}


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What went wrong with a request.

    Attributes:
        detail: one sentence: what, which one, what was expected.
        errors: a mapping a field: `pointer`, `parameter` or `header`, and `detail`.
        headers: of the answer.
        members: further members of the body.
    """

    status: int
    detail: str
    errors: tuple[Mapping[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    members: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return the body, as raw JSON."""
        return {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "errors": list(self.errors),
            **self.members,
        }

    def response(self) -> Response:
        """Return the answer."""
        headers = {"X-Content-Type-Options": "nosniff", **self.headers}
        return Response(dump_json(self.as_json()), self.status, headers=headers, media_type=MEDIA_TYPE)


class Refused(PublisherError):
    """The request cannot be answered otherwise than by this problem."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(problem.detail)


def dump_json(value: Any) -> bytes:
    """Return compact JSON in UTF-8; half a surrogate pair becomes its escape, which JSON allows."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8", "backslashreplace")


def refused_parameter(parameter: str, detail: str) -> Refused:
    """Return the refusal of one query parameter."""
    error = {"parameter": parameter, "detail": detail}
    return Refused(Problem(status=422, detail=f"{parameter}: {detail}", errors=(error,)))


def problem_of(error: Exception) -> Problem | None:
    """Return what clients are told of an error, or None if it is a bug of ours."""
    if isinstance(error, Refused):
        return error.problem
    if isinstance(error, InvalidInput):
        return _of_fields(error.problems)
    if hindrance_of(error) is not None:
        return unavailable("the database cannot be reached or is too busy; nothing was stored, try again")
    for kind, status in _STATUSES.items():
        if isinstance(error, kind):
            identifier = getattr(error, "article_id", None)
            members = {"article": str(identifier)} if identifier else {}
            return Problem(status=status, detail=str(error), members=members)
    return None


def unavailable(detail: str, *, status: int = 503) -> Problem:
    """Return the answer to who has to come back later."""
    return Problem(status=status, detail=detail, headers={"Retry-After": str(_RETRY_AFTER_S)})


def bug() -> Problem:
    """Return what clients are told when it is not their fault."""
    return Problem(status=500, detail="a bug of ours; it was logged")


def install_problems(app: FastAPI) -> None:
    """Make every error of the application a problem."""
    for kind in (Refused, InvalidInput, *_STATUSES, DBAPIError, NoConnection):
        app.add_exception_handler(kind, _answer)
    app.add_exception_handler(Exception, _answer_bug)
    app.add_exception_handler(HTTPException, _answer_http)
    app.add_exception_handler(RequestValidationError, _answer_invalid)


async def _answer(_: Request, error: Exception) -> Response:
    problem = problem_of(error)
    if problem is None:
        raise error  # as a bug, so that it is logged, counted and answered as any other
    return problem.response()


async def _answer_bug(_: Request, __: Exception) -> Response:
    return bug().response()


async def _answer_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    detail = error.detail
    if error.status_code == 404:
        detail = f"{request.url.path[:_LONGEST_NAME]}: there is nothing here"
    elif error.status_code == 405:
        headers["Allow"] = ", ".join(_allowed(request))
        detail = f"{request.method}: is not possible here, expected {headers['Allow']}"
    return Problem(status=error.status_code, detail=detail, headers=headers).response()


def _allowed(request: Request) -> list[str]:
    # A framework that has a route for each method names those of the first route only.
    routes = request.app.routes
    found = [
        method
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE")
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes)
    ]
    return [*found, "HEAD"] if "GET" in found else found


async def _answer_invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    errors = tuple(
        {_PLACES.get(place, "pointer"): ".".join(map(str, rest)), "detail": detail_of(one)}
        for one in error.errors()
        for place, *rest in [one["loc"]]
    )
    return _invalid(errors).response()


def _of_fields(problems: Iterable[FieldProblem]) -> Problem:
    return _invalid(tuple({"pointer": _short(one.pointer), "detail": one.detail} for one in problems))


def _invalid(errors: tuple[Mapping[str, str], ...]) -> Problem:
    first = errors[0]
    name = next(iter(first.values())).removeprefix("/") or "body"
    detail = f"{name}: {first['detail']}"
    if len(errors) > 1:
        detail += f" (and {len(errors) - 1} more: see errors)"
    return Problem(status=422, detail=detail, errors=errors[:_MOST_ERRORS])


def _short(pointer: str) -> str:
    return pointer if len(pointer) <= _LONGEST_NAME else pointer[:_LONGEST_NAME] + "…"
