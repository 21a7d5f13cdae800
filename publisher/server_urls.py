"""The addresses of PostgreSQL and Redis: what they look like, and what they may not name."""

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

_REDIS_NUMBER = re.compile(r"(/[0-9]*)?")
_POSTGRESQL = "expected postgresql://user:password@host:port/name"
_REDIS = "expected redis://host:port/number"


def postgresql_url(value: str) -> str:
    """Return an address of PostgreSQL with the driver that we use.

    Raises:
        ValueError: when it is none.
    """
    try:
        url = make_url(value)
    except (ArgumentError, ValueError):  # a port that is no number
        raise ValueError(_POSTGRESQL) from None
    if url.get_backend_name() not in ("postgresql", "postgres"):
        raise ValueError(_POSTGRESQL)
    return url.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)


def redis_url(value: str) -> str:
    """Return an address of Redis as it is.

    Raises:
        ValueError: when it is none.
    """
    try:
        parts = urlsplit(value)
        has_port = parts.port != 0
    except ValueError:
        raise ValueError(_REDIS) from None
    if parts.scheme == "unix":
        return value
    if parts.scheme in ("redis", "rediss") and has_port and _REDIS_NUMBER.fullmatch(parts.path):
        return value
    raise ValueError(_REDIS)


PostgresUrl = Annotated[str, AfterValidator(postgresql_url)]
RedisUrl = Annotated[str, AfterValidator(redis_url)]


def for_libpq(url: str) -> str:
    """Return an address of PostgreSQL as programs know it that are not SQLAlchemy."""
    return url.replace("postgresql+psycopg://", "postgresql://", 1)
