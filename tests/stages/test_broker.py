"""What Celery's way to Redis adds: no note of what was taken, and what was not begun is free in the end."""

from collections.abc import Iterator

import pytest
from kombu import Exchange, Queue
from kombu.messaging import Consumer, Producer
from redis import Redis

from workers.broker import SteadyConnection

PROCESSES = 2


@pytest.fixture
def connection(redis_url: str) -> Iterator[SteadyConnection]:
    with SteadyConnection(redis_url) as connection:
        yield connection


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url) as redis:
        redis.flushdb()
        yield redis
        redis.flushdb()


def test_messages_that_nobody_acknowledges_keep_no_place(connection: SteadyConnection, redis: Redis) -> None:
    taken: list[object] = []
    channel = connection.channel()
    queue = Queue("a queue", Exchange("a queue"), "a queue")(channel)
    for number in range(3 * PROCESSES):
        Producer(channel).publish({"number": number}, routing_key="a queue", declare=[queue])
    consumer = Consumer(channel, [queue], callbacks=[lambda body, _message: taken.append(body["number"])])
    consumer.qos(prefetch_count=PROCESSES)
    consumer.consume()

    for _ in range(3 * PROCESSES):
        connection.drain_events(timeout=5)

    assert taken == list(range(3 * PROCESSES))
    assert [key for key in redis.scan_iter() if b"unacked" in key] == []


def test_acknowledging_asks_nothing_of_redis(connection: SteadyConnection, redis: Redis) -> None:
    channel = connection.channel()
    queue = Queue("a queue", Exchange("a queue"), "a queue")(channel)
    Producer(channel).publish({}, routing_key="a queue", declare=[queue])
    message = queue.get()
    before = redis.info("commandstats")

    message.ack()

    assert set(redis.info("commandstats")) - set(before) <= {"cmdstat_info"}


def test_what_was_taken_and_not_begun_is_free_for_others_when_a_worker_ends(
    connection: SteadyConnection, redis: Redis
) -> None:
    channel = connection.channel()
    queue = Queue("a queue", Exchange("a queue"), "a queue")(channel)
    for number in range(3):
        Producer(channel).publish({"number": number}, routing_key="a queue", declare=[queue])
    queue.get().ack()
    queue.get()

    channel.close()

    assert redis.llen("a queue") == 2


def test_a_worker_ends_when_it_cannot_put_anything_back(
    connection: SteadyConnection, redis: Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    channel = connection.channel()
    queue = Queue("a queue", Exchange("a queue"), "a queue")(channel)
    Producer(channel).publish({}, routing_key="a queue", declare=[queue])
    queue.get()
    # Whatever stands there, nothing can be added to it.
    redis.set("a queue", "no list")

    channel.close()

    assert "".join(capsys.readouterr()) == ""
