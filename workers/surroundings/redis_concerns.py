"""What about Redis is not as it should be: its clock, its policy when it is full, its role."""

from datetime import UTC, datetime, timedelta

from redis import Redis
from redis.exceptions import ResponseError

from workers.surroundings.concern import Concern, clock_concern

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def redis_clock(redis: Redis) -> Concern | None:
    """Return what is to be said about its clock."""
    asked = datetime.now(UTC)
    seconds, microseconds = redis.time()
    answered = datetime.now(UTC)
    theirs = _EPOCH + timedelta(seconds=seconds, microseconds=microseconds)
    return clock_concern("Redis", theirs, asked=asked, answered=answered)


def eviction(redis: Redis) -> Concern | None:
    """Return what is to be said about its policy when its memory is full."""
    policy = _policy(redis)
    if policy == "noeviction":
        return None
    return Concern(
        event="redis.may_evict",
        found=f"maxmemory-policy is {policy}" if policy else "Redis does not tell its maxmemory-policy",
        advice="set maxmemory-policy to noeviction: what is dropped comes due again, but late",
    )


def read_only(redis: Redis) -> Concern | None:
    """Return what is to be said about a replica."""
    role = redis.info("replication").get("role")
    if role != "slave":
        return None
    return Concern(
        event="redis.read_only",
        found="PUBLISHER_REDIS_URL leads to a replica, which takes no messages",
        advice="name the primary server, unless a failover makes this one it",
    )


def _policy(redis: Redis) -> str | None:
    """Return maxmemory-policy; managed servers keep CONFIG to themselves, and tell it by INFO."""
    try:
        return str(redis.config_get("maxmemory-policy")["maxmemory-policy"])
    except (ResponseError, KeyError):
        told = redis.info("memory").get("maxmemory_policy")
        return None if told is None else str(told)
