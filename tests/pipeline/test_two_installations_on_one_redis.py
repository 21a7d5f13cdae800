"""Guard: every key begins with the installation's prefix, so that installations on one Redis never meet."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from redis import Redis
from sqlalchemy import Engine, make_url, select, text

from publisher.database import connect, sessions
from publisher.events import Queue
from publisher.schema import EventRow
from publisher.settings import load_settings
from tests.pipeline.system import DOMAIN, SECRET_KEY, System
from tests.servers import fill_template
from tests.waiting import eventually
from workers.app import PublisherApp
from workers.pipeline import app
from workers.relay import WINDOW

# Enough to fill the window of each relay.
ARTICLES = 60


@pytest.fixture
def second_database(engine: Engine) -> Iterator[Engine]:
    """Another database, for the other installation."""
    name = f"{engine.url.database}_second"
    admin = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    admin.execute(text(f'CREATE DATABASE "{name}" TEMPLATE template0'))
    url = make_url(engine.url).set(database=name).render_as_string(hide_password=False)
    fill_template(url)
    second = connect(url, application_name="publisher tests")
    yield second
    second.dispose()
    admin.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))
    admin.close()


def installation(engine: Engine, redis: Redis, folder: Path, *, url: str, prefix: str) -> System:
    environment = {
        "PUBLISHER_DATABASE_URL": engine.url.render_as_string(hide_password=False),
        "PUBLISHER_REDIS_URL": url,
        "PUBLISHER_REDIS_PREFIX": prefix,
        "PUBLISHER_TAG_DOMAIN": DOMAIN,
        "PUBLISHER_SECRET_KEY": SECRET_KEY,
        "PUBLISHER_LOG_FORMAT": "json",
    }
    folder.mkdir()
    return System(sessions(engine, app.routes), redis, environment, folder)


def events_of(installed: System) -> set[str]:
    with installed.sessions() as session:
        return {str(event) for event in session.scalars(select(EventRow.id))}


def nodes(url: str, prefix: str) -> list[str]:
    """Return the names of the workers that answer under a prefix."""
    asking = PublisherApp("asking", set_as_current=False)
    asking.configure(load_settings(redis_url=url, redis_prefix=prefix))
    with asking.connection_for_write() as connection:
        replies = asking.control.ping(timeout=1, connection=connection)
    return [node for reply in replies for node in reply]


def test_two_installations_share_a_redis_and_never_see_each_others_messages(
    system: System, second_database: Engine, engine: Engine, redis_url: str, tmp_path: Path
) -> None:
    redis = system.redis
    theirs = {"pipeline": {"somebody": "else's"}, "unacked": {"somebody": "else's"}}
    for key, value in theirs.items():
        redis.hset(key, mapping=value)
    redis.rpush("urgent", "no message", "of ours")
    with ExitStack() as ending:
        one = installation(engine, redis, tmp_path / "one", url=redis_url, prefix="publisher:")
        other = installation(second_database, redis, tmp_path / "other", url=redis_url, prefix="news:")
        for installed in (one, other):
            ending.callback(installed.stop)
            installed.submit_together(ARTICLES)
            installed.start("relay")

        for installed in (one, other):
            eventually(lambda now=installed: now.waiting() == WINDOW, within_s=30)
            assert set(installed.waiting_events()) <= events_of(installed)
        workers = [installed.start("worker", "--concurrency", "1") for installed in (one, other)]

        for installed in (one, other):
            installed.wait_until_done(within_s=60)
            assert set(installed.statuses().values()) == {"published"}
            assert took_back(installed) == 0
        for worker, prefix in zip(workers, ("publisher:", "news:"), strict=True):
            (node,) = nodes(redis_url, prefix)
            assert node.startswith(f"worker-{worker.pid}@")

    assert {key: decoded(redis.hgetall(key)) for key in theirs} == theirs
    assert redis.lrange(Queue.URGENT, 0, -1) == [b"no message", b"of ours"]


def took_back(installed: System) -> int:
    """Return how often work of an installation was lost, as its relay's log tells."""
    return sum(log.read_text().count("relay.took_back") for log in installed._folder.glob("*-relay.log"))


def decoded(found: dict[bytes, bytes]) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in found.items()}
