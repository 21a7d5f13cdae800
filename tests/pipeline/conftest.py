"""What the tests of guarantees share: an empty database, an empty Redis, and a system to start on them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis
from sqlalchemy import Engine

from publisher.database import connect, sessions
from tests.databases import empty, is_empty
from tests.pipeline.system import DOMAIN, SECRET_KEY, System
from workers.pipeline import app


@pytest.fixture(scope="session")
def engine(postgres_url: str) -> Iterator[Engine]:
    """The way to this test process's database."""
    engine = connect(postgres_url, pool_size=10, application_name="publisher tests")
    yield engine
    engine.dispose()


@pytest.fixture
def system(engine: Engine, postgres_url: str, redis_url: str, tmp_path: Path) -> Iterator[System]:
    """A system of which nothing runs yet."""
    environment = {
        "PUBLISHER_DATABASE_URL": postgres_url,
        "PUBLISHER_REDIS_URL": redis_url,
        "PUBLISHER_TAG_DOMAIN": DOMAIN,
        "PUBLISHER_SECRET_KEY": SECRET_KEY,
        "PUBLISHER_ALLOWED_NETWORKS": "127.0.0.0/8",
        "PUBLISHER_ALLOW_HTTP": "true",
        "PUBLISHER_LOG_FORMAT": "json",
    }
    app.conf.broker_url = redis_url
    if not is_empty(engine):
        empty(engine)
    with Redis.from_url(redis_url) as redis:
        redis.flushdb()
        system = System(sessions(engine, app.routes), redis, environment, tmp_path)
        yield system
        system.stop()
        redis.flushdb()
    empty(engine)
