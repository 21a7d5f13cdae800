"""Guard: what PostgreSQL has no room for is refused whole, or put off without being counted as a failure."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from redis import Redis
from sqlalchemy import func, select

from publisher.access import Scope, create_key
from publisher.database import connect, sessions
from publisher.schema import ArticleRow, EventRow, EventTaskRow
from publisher.server_urls import for_libpq
from tests.pipeline.system import DOMAIN, SECRET_KEY, System
from tests.servers import fill_template, postgres_in
from tests.waiting import eventually
from workers.embedded import EmbeddedPostgres
from workers.pipeline import app

# The kernel answers every write to it as a full disk does: there is no space left on the device.
FULL = Path("/dev/full")
ARTICLE = {"guid": "test:1", "title": "Bài viết", "content_text": "Nội dung."}


class Cramped:
    """A PostgreSQL that has room for everything but new pages of some tables."""

    def __init__(self, folder: Path, *tables: str) -> None:
        self._server: EmbeddedPostgres = postgres_in(folder, durable=False)
        self.url = self._server.start()
        fill_template(self.url)
        with psycopg.connect(for_libpq(self.url), autocommit=True) as connection:
            places = [
                connection.execute("SELECT pg_relation_filepath(%s)", (table,)).fetchone() for table in tables
            ]
        self._server.stop()
        for place in places:
            assert place is not None
            file = folder / "postgres" / "data" / place[0]
            assert file.stat().st_size == 0
            file.unlink()
            file.symlink_to(FULL)
        self._server.start()

    def make_room(self, table: str) -> None:
        """Give a table, which is empty still, a file of its own on a disk that has room."""
        with psycopg.connect(for_libpq(self.url)) as connection:
            connection.execute(f"TRUNCATE {table} CASCADE")  # type: ignore[call-overload]  # a name of ours

    def stop(self) -> None:
        """End it."""
        self._server.stop()


@pytest.fixture
def cramped(tmp_path: Path) -> Iterator[Cramped]:
    """A PostgreSQL without room for bodies of articles and for entries of feeds."""
    server = Cramped(tmp_path / "cramped", "revision", "entry")
    yield server
    server.stop()


@pytest.fixture
def system(cramped: Cramped, redis_url: str, tmp_path: Path) -> Iterator[System]:
    """A system on it, of which nothing runs yet."""
    environment = {
        "PUBLISHER_DATABASE_URL": cramped.url,
        "PUBLISHER_REDIS_URL": redis_url,
        "PUBLISHER_TAG_DOMAIN": DOMAIN,
        "PUBLISHER_SECRET_KEY": SECRET_KEY,
        "PUBLISHER_LOG_FORMAT": "json",
    }
    engine = connect(cramped.url, application_name="publisher tests")
    with Redis.from_url(redis_url) as redis:
        redis.flushdb()
        started = System(sessions(engine, app.routes), redis, environment, tmp_path)
        yield started
        started.stop()
        redis.flushdb()
    engine.dispose()


def counts(system: System) -> tuple[int, ...]:
    """Return how many articles and events there are."""
    with system.sessions() as session:
        return tuple(
            session.scalar(select(func.count()).select_from(row)) or 0 for row in (ArticleRow, EventRow)
        )


def failures(system: System) -> int:
    with system.sessions() as session:
        return session.scalar(select(func.max(EventTaskRow.failures))) or 0


def test_a_full_disk_costs_time_and_nothing_else(cramped: Cramped, system: System, tmp_path: Path) -> None:
    with system.sessions.begin() as session:
        key = create_key(session, name="a test", scopes=[Scope.ARTICLES_WRITE])[1]
    others = [system.start("relay"), system.start("worker", "--concurrency", "1")]
    before = counts(system)

    with system.start_web() as client:
        client.headers["Authorization"] = f"Bearer {key}"
        refused = client.post("/v1/articles", json=ARTICLE)
        refused_counts = counts(system)
        cramped.make_room("revision")
        accepted = client.post("/v1/articles", json=ARTICLE)

        # The worker has no room for the entry yet, and tries again and again.
        tries = tmp_path / "1-worker.log"
        eventually(lambda: tries.read_text().count("No space left on device") >= 2, within_s=30)
        while_full = failures(system)
        cramped.make_room("entry")
        system.wait_until_done()
        feed = client.get("/feeds/all.json").json()

    assert (refused.status_code, refused.headers["retry-after"]) == (503, "2")
    assert before == refused_counts
    assert accepted.status_code == 201
    assert while_full == 0
    assert ["Bài viết"] == [item["title"] for item in feed["items"]]
    assert [True, True] == [process.running for process in others]
