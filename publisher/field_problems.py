"""What Pydantic finds wrong, in plain words and with JSON Pointers."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic_core import ErrorDetails, PydanticCustomError

from publisher.errors import FieldProblem

_OURS: Final = "expected"
# An answer is never much longer than it is useful.
_MOST_PROBLEMS = 100
_LONGEST_NAME = 200
# Pydantic's types of errors; what stands in braces is in their context.
_DETAILS: Final = {
    "missing": "expected a value: this field is required",
    "extra_forbidden": "unknown field",
    "string_type": "expected text",
    "string_unicode": "expected well-formed Unicode in every name and text",
    "string_too_short": "expected at least {min_length} characters",
    "string_too_long": "expected at most {max_length} characters",
    "list_type": "expected a list",
    "too_short": "expected at least {min_length} items",
    "too_long": "expected at most {max_length} items",
    "bool_type": "expected true or false",
    "bool_parsing": "expected true or false",
    "int_from_float": "expected a whole number",
    "int_parsing": "expected a whole number",
    "int_parsing_size": "expected a smaller number",
    "int_type": "expected a whole number",
    "float_parsing": "expected a number",
    "float_type": "expected a number",
    "finite_number": "expected a finite number",
    "greater_than": "expected more than {gt}",
    "greater_than_equal": "expected at least {ge}",
    "less_than": "expected less than {lt}",
    "less_than_equal": "expected at most {le}",
    "enum": "expected {expected}",
    "literal_error": "expected {expected}",
    "model_type": "expected an object",
    "model_attributes_type": "expected an object",
    "dict_type": "expected an object",
    "uuid_parsing": "expected a UUID",
    "uuid_type": "expected a UUID",
}


def expected(detail: str, *, pointer: str = "") -> PydanticCustomError:
    """Return the error for a validator of ours to raise.

    Args:
        detail: what was expected, as it is shown; nothing of the input, which may not be encodable.
        pointer: from the validated value to the wrong field, for validators of a whole object.
    """
    return PydanticCustomError(_OURS, "{detail}", {"detail": detail, "pointer": pointer})


def problems_of(
    errors: Sequence[ErrorDetails] | Sequence[Mapping[str, Any]], *, within: str | None = None
) -> list[FieldProblem]:
    """Return a problem for each of the first 100 errors of Pydantic, in order.

    Args:
        within: what the locations begin with and pointers do not: `body` for the errors of FastAPI.
    """
    return [
        FieldProblem(pointer=pointer_of(error, within=within), detail=detail_of(error))
        for error in errors[:_MOST_PROBLEMS]
    ]


def pointer_of(error: ErrorDetails | Mapping[str, Any], *, within: str | None = None) -> str:
    """Return where the error is, as a JSON Pointer (RFC 6901)."""
    location = error["loc"]
    if within is not None and location[:1] == (within,):
        location = location[1:]
    names = (str(name)[:_LONGEST_NAME].replace("~", "~0").replace("/", "~1") for name in location)
    return "".join(f"/{name}" for name in names) + str(error.get("ctx", {}).get("pointer", ""))


def detail_of(error: ErrorDetails | Mapping[str, Any]) -> str:
    """Return what was expected, as one sentence."""
    context = error.get("ctx", {})
    if error["type"] == _OURS:
        return str(context["detail"])
    if error["type"] in _DETAILS:
        return _DETAILS[error["type"]].format_map(context)
    message: str = error["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return message.replace("Input should be", "expected")
