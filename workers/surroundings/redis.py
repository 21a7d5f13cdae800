"""Whether a Redis can be used at all; what cannot work is refused in one line, what is away is waited for."""

import re
from collections.abc import Mapping

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    ClusterDownError,
    InvalidResponse,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.retry import Retry

from publisher.errors import SettingsError
from publisher.settings import PREFIX, Settings
from workers.queues import key_types
from workers.surroundings.redis_probe import strangeness

OLDEST = (6, 2)
_NUMBERS = re.compile(r"\d+")
# Certificates, protocols and plain text where TLS was expected: nothing of it mends itself.
_TLS = re.compile(r"SSL|TLS|certificate", re.IGNORECASE)

_MAY_PASS = (BusyLoadingError, ClusterDownError, OutOfMemoryError, ReadOnlyError, TryAgainError)
# The first that fits, in this order.
_REFUSALS: Mapping[tuple[type[RedisError], ...], str] = {
    (NoPermissionError,): "Redis does not let this user do what is needed",
    (AuthenticationError, AuthorizationError): "Redis refuses user or password",
    (InvalidResponse,): "what answers there is no Redis",
    (ResponseError,): "Redis refuses",
}


class RedisAway(Exception):
    """Redis cannot be reached now; the message says why. Trying again helps."""


def connect_to_redis(settings: Settings, *, patience_s: float = 5) -> Redis:
    """Return a client that tries each command once; nothing connects yet.

    Args:
        patience_s: how long it waits for an answer.

    Raises:
        SettingsError: when PUBLISHER_REDIS_URL is not set, or has parameters that mean nothing.
    """
    try:
        redis = Redis.from_url(
            settings.require("redis_url"),
            socket_timeout=patience_s,
            socket_connect_timeout=2,
            retry=Retry(NoBackoff(), 0),
        )
        redis.connection_pool.make_connection()  # parameters that mean nothing are met here
    except (TypeError, ValueError) as error:
        raise SettingsError(f"{PREFIX}REDIS_URL: a parameter of it means nothing ({error})") from error
    return redis


def refuse_redis(redis: Redis, prefix: str) -> None:
    """See that this is a Redis that we can work with, and that nobody else uses our keys.

    Args:
        prefix: of our keys.

    Raises:
        SettingsError: when it is not, or somebody does; nothing was changed there.
        RedisAway: when it cannot be reached.
    """
    try:
        _refuse_server(redis.info("server"))
        for key, (found, expected) in key_types(redis, prefix).items():
            if found not in ("none", expected):
                raise SettingsError(
                    f"{PREFIX}REDIS_URL: key {key} is a {found}, expected a {expected}: somebody else uses"
                    f" it; choose another {PREFIX}REDIS_PREFIX"
                )
    except RedisError as error:
        if (refusal := refusal_of(error)) is not None:
            raise SettingsError(refusal) from error
        if (strange := strangeness(redis)) is not None:
            raise SettingsError(f"{PREFIX}REDIS_URL: what answers there {strange}") from error
        raise RedisAway(_readable(error)) from error


def refusal_of(error: Exception) -> str | None:
    """Return the line about an error that waiting does not help against, or None if it may pass by itself."""
    told = _readable(error)
    if isinstance(error, _MAY_PASS):
        return None
    for kinds, meaning in _REFUSALS.items():
        if isinstance(error, kinds):
            return f"{PREFIX}REDIS_URL: {meaning} ({told})"
    if _TLS.search(told):
        return f"{PREFIX}REDIS_URL: cannot speak TLS there ({told})"
    return None


def _refuse_server(info: Mapping[str, object]) -> None:
    version = tuple(int(number) for number in _NUMBERS.findall(str(info.get("redis_version", "")))[:3])
    if version < OLDEST:
        shown, oldest = ".".join(map(str, version)) or "of no version", ".".join(map(str, OLDEST))
        raise SettingsError(f"{PREFIX}REDIS_URL: is Redis {shown}, expected {oldest} or newer")
    mode = info.get("server_mode") or info.get("redis_mode", "standalone")  # Valkey's word, and Redis'
    if mode != "standalone":
        raise SettingsError(f"{PREFIX}REDIS_URL: is a Redis in {mode} mode, expected a single server")


def _readable(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
