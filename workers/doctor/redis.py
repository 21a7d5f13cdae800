"""Checks of Redis: whether it can be used, its policy, its clock, its memory."""

from collections.abc import Iterator

from redis import Redis
from redis.exceptions import RedisError

from publisher.errors import SettingsError
from publisher.settings import Settings
from workers.doctor.finding import Finding, judged, ok, problem, warning
from workers.doctor.machine import size
from workers.surroundings.redis import RedisAway, connect_to_redis, refuse_redis
from workers.surroundings.redis_concerns import eviction, read_only, redis_clock

_ALMOST_FULL = 0.8


def check_redis(settings: Settings) -> Iterator[Finding]:
    """Look at all of it."""
    try:
        with connect_to_redis(settings, patience_s=3) as redis:
            refuse_redis(redis, settings.redis_prefix)
            yield ok("redis", f"version {redis.info('server').get('redis_version')}")
            concerns = [eviction(redis), read_only(redis), redis_clock(redis)]
            yield from judged("redis policy", concerns, "noeviction, a primary, and its clock agrees")
            yield _memory(redis)
    except SettingsError as error:
        yield problem("redis", str(error), "correct the setting, or the server")
    except RedisAway as away:
        yield problem("redis", f"does not answer ({away})", "start it: articles wait, and webhooks go on")
    except RedisError as error:
        yield problem("redis", f"went away meanwhile ({error})", "look again")


def _memory(redis: Redis) -> Finding:
    memory = redis.info("memory")
    used, most = int(memory["used_memory"]), int(memory.get("maxmemory", 0))
    found = f"{size(used)} used" + (f" of {size(most)}" if most else ", no limit of its own")
    if most and used > _ALMOST_FULL * most:
        return warning("redis memory", found, "raise maxmemory; our queues take less than 10 MB of it")
    return ok("redis memory", found)
