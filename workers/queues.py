"""What stands in Redis: how many messages wait in a queue, and which."""

import json
from collections.abc import Collection
from uuid import UUID

from redis import Redis
from redis.exceptions import ResponseError

from publisher.events import Queue


def keeps_everything(redis: Redis) -> bool:
    """Return whether Redis refuses to write rather than drop what it holds; False also if it does not say."""
    try:
        policy = redis.config_get("maxmemory-policy")
    except ResponseError:
        return False
    assert isinstance(policy, dict)
    return policy.get("maxmemory-policy") == "noeviction"


def waiting_messages(redis: Redis, queue: Queue) -> int:
    """Return how many messages no worker has taken yet."""
    length = redis.llen(queue)
    assert isinstance(length, int)
    return length


def waiting_tokens(redis: Redis, queues: Collection[Queue]) -> set[UUID]:
    """Return the tokens of the messages that no worker has taken yet.

    The relay's window keeps these lists short. What is no message of ours has no token.
    """
    tokens = set()
    for queue in queues:
        for message in redis.lrange(queue, 0, -1):
            try:
                tokens.add(UUID(json.loads(message)["headers"]["id"]))
            except (ValueError, KeyError, TypeError):
                continue
    return tokens
