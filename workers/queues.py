"""What stands in Redis: under which keys, how many messages wait in a queue, and which."""

import json
from collections.abc import Collection
from uuid import UUID

from redis import Redis

from publisher.events import Queue

CONTROL_QUEUE = "deliveries"
"""The queue of senders, which carries control messages only."""
_LISTS = (*Queue, CONTROL_QUEUE)


def key_of(queue: str, prefix: str) -> str:
    """Return the key that a queue has in Redis."""
    return f"{prefix}{queue}"


def key_types(redis: Redis, prefix: str) -> dict[str, tuple[str, str]]:
    """Return, by our keys, the type of what Redis holds (`none`: nothing) and the one expected."""
    return {key: (_text(redis.type(key)), "list") for key in (key_of(name, prefix) for name in _LISTS)}


def waiting_messages(redis: Redis, queue: Queue, *, prefix: str) -> int:
    """Return how many messages no worker has taken yet."""
    length = redis.llen(key_of(queue, prefix))
    assert isinstance(length, int)
    return length


def waiting_tokens(redis: Redis, queues: Collection[Queue], *, prefix: str) -> set[UUID]:
    """Return the tokens of the messages that no worker has taken yet.

    The relay's window keeps these lists short. What is no message of ours has no token.
    """
    tokens = set()
    for queue in queues:
        for message in redis.lrange(key_of(queue, prefix), 0, -1):
            try:
                tokens.add(UUID(json.loads(message)["headers"]["id"]))
            except (ValueError, KeyError, TypeError):
                continue
    return tokens


def _text(told: object) -> str:
    return told.decode() if isinstance(told, bytes) else str(told)
