"""What the tests of single stages share: a real database, empty at the start of each test."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from publisher.database import Sessions, connect, sessions
from publisher.events import EventType, Routes
from tests.databases import empty, is_empty
from tests.readers import BOX, reading
from tests.receivers import Receivers, Reply
from tests.stages.command import Publisher, publisher_on
from tests.stages.hub import Callbacks, bring_out
from tests.stages.listening import Answering, Listening, Making
from tests.stages.pumps import RunningPump

ROUTES: Routes = {
    EventType.ARTICLE_RECEIVED: ("enrich",),
    EventType.ARTICLE_ENRICHED: ("publish",),
    EventType.ARTICLE_PUBLISHED: ("feeds", "fan_out"),
    EventType.ARTICLE_CORRECTED: ("feeds", "fan_out"),
    EventType.ARTICLE_RETRACTED: ("feeds", "fan_out"),
    EventType.FEED_CHANGED: ("push",),
    EventType.ENDPOINT_TEST: ("fan_out",),
    EventType.ENDPOINT_DISABLED: ("fan_out",),
    EventType.REPLAY_REQUESTED: ("replay",),
    EventType.HOUSEKEEPING_DUE: ("housekeeping",),
}


@pytest.fixture(scope="session")
def engine(postgres_url: str) -> Iterator[Engine]:
    """The way to this test process's database."""
    engine = connect(postgres_url, pool_size=30, application_name="publisher tests")
    yield engine
    engine.dispose()


@pytest.fixture
def database(engine: Engine) -> Iterator[Sessions]:
    """Sessions on an empty database, for tests that commit."""
    if not is_empty(engine):
        empty(engine)
    yield sessions(engine, ROUTES)
    empty(engine)


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    """A session that is rolled back, for tests of functions that never commit."""
    if not is_empty(engine):
        empty(engine)
    with sessions(engine, ROUTES)() as session:
        yield session
        session.rollback()


@pytest.fixture
def publisher(
    database: Sessions,
    postgres_url: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Publisher:
    """Runs a command on the test's database, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PUBLISHER_DATABASE_URL", postgres_url)
    monkeypatch.setenv("PUBLISHER_TAG_DOMAIN", "news.example")
    return publisher_on(capsys, monkeypatch)


@pytest.fixture
def callbacks() -> Iterator[Callbacks]:
    with Receivers() as receivers:
        yield Callbacks(receivers)


@pytest.fixture
def hub(database: Sessions) -> Iterator[httpx.Client]:
    """Somebody who talks to the hub; the feed of everything exists."""
    bring_out(database, 0)
    with reading(database, allowed_networks="127.0.0.0/8", allow_http=True) as client:
        yield client


@pytest.fixture
def pump(database: Sessions) -> Iterator[RunningPump]:
    with RunningPump(database, BOX) as running:
        yield running


@pytest.fixture
def subscribers(database: Sessions) -> Iterator[Making]:
    """Makes subscribers that answer as a test wishes; by default with 204, at once."""
    started: list[Receivers] = []

    def make(answering: Answering = lambda _: Reply()) -> Listening:
        receivers = Receivers(answering)
        started.append(receivers.__enter__())
        return Listening(database, receivers)

    yield make
    for receivers in started:
        receivers.__exit__(None, None, None)
