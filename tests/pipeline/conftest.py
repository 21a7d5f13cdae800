"""What the tests of guarantees share: an empty database, an empty Redis, and a system to start on them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from publisher.database import connect
from tests.pipeline.own_servers import OwnRedis
from tests.pipeline.system import System, fresh_system


@pytest.fixture(scope="session")
def engine(postgres_url: str) -> Iterator[Engine]:
    """The way to this test process's database."""
    engine = connect(postgres_url, pool_size=10, application_name="publisher tests")
    yield engine
    engine.dispose()


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[OwnRedis]:
    """A Redis of this test alone; a file whose `redis_url` is its address has systems that run on it."""
    redis = OwnRedis(tmp_path / "redis")
    yield redis
    redis.stop()


@pytest.fixture
def system(engine: Engine, postgres_url: str, redis_url: str, tmp_path: Path) -> Iterator[System]:
    """A system of which nothing runs yet."""
    with fresh_system(engine, postgres_url, redis_url, tmp_path) as system:
        yield system
