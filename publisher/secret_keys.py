"""Keys that secrets were encrypted with, as a setting spells them: comma-separated, or a JSON list."""

import json
from typing import Annotated

from pydantic import BeforeValidator, Field


def _keys(value: object) -> object:
    if not isinstance(value, str):
        return value
    if not value.lstrip().startswith("["):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    try:
        return tuple(json.loads(value))
    except ValueError:
        # What is no JSON is not repeated: it holds keys.
        raise ValueError("begins with [, and is no JSON list of keys") from None


SecretKeys = Annotated[tuple[Annotated[str, Field(min_length=16)], ...], BeforeValidator(_keys)]
"""At least 16 characters each; the list is for keys that hold a comma, or begin or end with a space."""
