"""What clients say about secrets, checked: one of their own, and how long those before it still sign."""

from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from publisher.errors import InvalidInput
from publisher.field_problems import expected
from publisher.notify.secrets.box import SECRET_PREFIX, parse_secret
from publisher.notify.secrets.endpoint_secrets import OVERLAP, Rotation

LONGEST_OVERLAP = timedelta(days=7)

_EXPECTED = f"{SECRET_PREFIX} and 24 to 64 bytes in standard base64"


def _secret(value: object) -> bytes | None:
    # Nothing of the value enters a message. Without its prefix, hexadecimal digits would pass for base64.
    if value is None:
        return None
    if not isinstance(value, str) or not value.startswith(SECRET_PREFIX):
        raise expected(f"expected {_EXPECTED}")
    try:
        return parse_secret(value)
    except InvalidInput as error:
        raise expected(error.problems[0].detail) from None


GivenSecret = Annotated[
    bytes,
    BeforeValidator(_secret),
    WithJsonSchema(
        {
            "type": "string",
            "format": "password",
            "writeOnly": True,
            "description": f"Of your own: {_EXPECTED}. Left out: a random one.",
        }
    ),
]


class RotationIn(BaseModel):
    """How a secret is to be replaced; all of it may be left out."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    secret: GivenSecret | None = Field(default=None, repr=False)
    overlap_s: int = Field(
        default=int(OVERLAP.total_seconds()),
        ge=0,
        le=int(LONGEST_OVERLAP.total_seconds()),
        description="For so many seconds the secrets before it sign along; 0: they end at once.",
    )

    @property
    def rotation(self) -> Rotation:
        """What is to be done."""
        return Rotation(secret=self.secret, overlap=timedelta(seconds=self.overlap_s))
