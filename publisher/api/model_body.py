"""Request bodies that are one Pydantic model, and requests that need no body."""

from collections.abc import Callable
from typing import Any, TypeVar

from fastapi import Depends, Request
from pydantic import BaseModel, ConfigDict, ValidationError

from publisher.api.json_body import JSON, expect_media_type, json_body, parse_json, read_body
from publisher.errors import InvalidInput
from publisher.field_problems import problems_of

_Model = TypeVar("_Model", bound=BaseModel)


class _Nothing(BaseModel):
    model_config = ConfigDict(extra="forbid")


def model_body(model: type[BaseModel]) -> Any:
    """Return the dependency that reads the body and gives it as this model; raises as `json_body` does."""
    return json_body(_parser(model))


def optional_body(model: type[_Model]) -> Any:
    """Return the dependency that gives the body as this model, and the model's defaults without one.

    An empty object says as little as no body: whatever it is declared as, it is no body either. Everything
    else is read, and refused, as by `json_body`.
    """
    parse = _parser(model)

    async def read(request: Request) -> _Model:
        body = await read_body(request)
        if body in (b"", b"{}"):
            return parse({})
        expect_media_type(request, JSON)
        return parse(parse_json(body))

    return Depends(read)


def empty_body() -> Any:
    """Return the dependency that accepts no body, or an empty object: unknown members are refused."""
    parse = _parser(_Nothing)

    async def read(request: Request) -> None:
        body = await request.body()
        if body:
            parse(parse_json(body))

    return Depends(read)


def _parser(model: type[_Model]) -> Callable[[object], _Model]:
    def parse(raw: object) -> _Model:
        try:
            return model.model_validate(raw)
        except ValidationError as error:
            raise InvalidInput(problems_of(error.errors(include_url=False, include_input=False))) from None

    return parse
