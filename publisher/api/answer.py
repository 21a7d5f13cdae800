"""What a handler answers, as a value: it can be stored for a repeated request."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from fastapi import Response
from pydantic import BaseModel

from publisher.api.problems import dump_json

JSON = "application/json"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A successful answer in JSON; `headers` besides the content type."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict, hash=False)

    @classmethod
    def of(cls, status: int, value: BaseModel | Mapping[str, Any], **headers: str) -> Self:
        """Return the answer that shows a model or raw JSON.

        Args:
            headers: names in lower case: `location=…`.
        """
        if isinstance(value, BaseModel):
            body = value.model_dump_json().encode("utf-8", "backslashreplace")
        else:
            body = dump_json(value)
        return cls(status=status, body=body, headers=headers)

    def response(self, *, replayed: bool = False) -> Response:
        """Return the response; `replayed` tells the client that nothing was done this time."""
        headers = {**self.headers, "idempotency-replayed": "true"} if replayed else dict(self.headers)
        media_type = JSON if self.body else None
        return Response(self.body, self.status, headers=headers, media_type=media_type)
