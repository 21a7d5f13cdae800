"""Request bodies: strict JSON in, a checked value out."""

import asyncio
import json
import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeVar

from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel

from publisher.api.problems import Problem, Refused
from publisher.errors import InvalidInput

JSON = "application/json"
_Value = TypeVar("_Value")
# Larger bodies take milliseconds to read and check: they do it beside the event loop, not in it.
_SMALL = 32_000
_PATIENCE_S = 30.0
_SCHEMAS = "#/components/schemas/"


def json_body(parse: Callable[[object], _Value]) -> Any:
    """Return the dependency that reads the body and gives what `parse` makes of the raw JSON.

    Args:
        parse: raises InvalidInput when the value is not what was expected.

    Raises:
        Refused: 415 unless the body is declared as JSON, 400 when it is none.
    """

    async def read(request: Request) -> _Value:
        expect_media_type(request, JSON)
        body = await read_body(request)
        if len(body) > _SMALL:
            return await run_in_threadpool(lambda: parse(parse_json(body)))
        return parse(parse_json(body))

    return Depends(read)


async def read_body(request: Request) -> bytes:
    """Return the whole body; however often it is asked for, it is read once.

    Raises:
        Refused: 408 when it does not arrive in time: who is slow must not keep others out.
    """
    try:
        async with asyncio.timeout(_PATIENCE_S):
            return await request.body()
    except TimeoutError:
        detail = f"the body did not arrive within {_PATIENCE_S:.0f} seconds"
        raise Refused(Problem(status=408, detail=detail, headers={"Connection": "close"})) from None


def json_request(
    model: type[BaseModel], *, media_type: str = JSON, description: str = "", required: bool = True
) -> dict[str, Any]:
    """Return `openapi_extra=` of a route whose body is this model; `docs.py` moves its `$defs`."""
    schema = model.model_json_schema(ref_template=f"{_SCHEMAS}{{model}}")
    models = {**schema.pop("$defs", {}), model.__name__: schema}
    content = {media_type: {"schema": {"$ref": _SCHEMAS + model.__name__, "$defs": models}}}
    return {"requestBody": {"required": required, "description": description, "content": content}}


def parse_json(body: bytes) -> Any:
    """Return the value of a JSON text (RFC 8259).

    Raises:
        Refused: 400 when it is not UTF-8 or not JSON, holds NaN or Infinity or is nested too deeply.
        InvalidInput: when an object has a member twice: readers disagree about what that means.
    """
    try:
        text = body.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise _bad(f"not UTF-8 (byte {error.start})") from None
    try:
        return json.loads(text, parse_constant=_refuse_number, parse_float=_finite, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        raise _bad(f"not JSON: {error.msg} (line {error.lineno}, column {error.colno})") from None
    except RecursionError:
        raise _bad("not JSON that we read: it is nested too deeply") from None
    except ValueError as error:
        # A number of more than 4,300 digits; Python refuses it, since it takes quadratic time.
        raise _bad("not JSON that we read: a number has too many digits") from error


def expect_media_type(request: Request, expected: str) -> None:
    """Check that the body is what this route reads.

    Raises:
        Refused: 415 when it is declared as something else, or as nothing.
    """
    given = request.headers.get("content-type", "")
    media_type, *parameters = [part.strip().lower() for part in given.split(";")]
    charsets = [one.partition("=")[2].strip('"') for one in parameters if one.startswith("charset=")]
    if media_type != expected or any(charset not in ("utf-8", "utf8", "us-ascii") for charset in charsets):
        raise Refused(
            Problem(
                status=415,
                detail=f"Content-Type: is {given[:100]!r}, expected {expected} in UTF-8",
                headers={"Accept-Post": expected},
            )
        )


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise InvalidInput.of("", f"the member {twice[:100]!r} occurs twice in one object")
    return value


def _finite(digits: str) -> float:
    value = float(digits)
    return value if math.isfinite(value) else _refuse_number(digits)


def _refuse_number(digits: str) -> NoReturn:
    raise _bad(f"not JSON that we read: {digits[:40]} is no finite number")


def _bad(detail: str) -> Refused:
    return Refused(Problem(status=400, detail=detail))
