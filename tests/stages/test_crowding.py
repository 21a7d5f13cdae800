"""Whether PostgreSQL has room for the connections of all processes, counted on a server of the tests' own."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from sqlalchemy import Engine, create_engine
from structlog.testing import capture_logs

from publisher.settings import load_settings
from tests.servers import postgres_in
from workers.connections import POOLS, Kind
from workers.opening import warn_of_database
from workers.surroundings.crowding import Crowd, crowd


@pytest.fixture(scope="module")
def own_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server that nobody else connects to: what is counted is the whole server's."""
    server = postgres_in(tmp_path_factory.mktemp("postgres"), durable=False)
    yield server.start()
    server.stop()


@pytest.fixture
def connections(own_url: str) -> Iterator["Connections"]:
    """Opens connections under a name."""
    with ExitStack() as ending:
        yield Connections(own_url, ending)


class Connections:
    """Connections of several programs."""

    def __init__(self, url: str, ending: ExitStack) -> None:
        self._url = url
        self._ending = ending

    def engine(self, name: str) -> Engine:
        """Return an engine whose connections have this name."""
        engine = create_engine(self._url, connect_args={"application_name": name})
        self._ending.callback(engine.dispose)
        return engine

    def open(self, *names: str) -> None:
        """Open a connection for each name, and hold it."""
        for name in names:
            self._ending.enter_context(self.engine(name).connect())


def test_processes_are_counted_with_their_whole_pools(connections: Connections) -> None:
    connections.open("publisher web 1", "publisher web 1", "publisher web 2", "psql")

    with connections.engine("publisher web 2").connect() as mine:
        found = crowd(mine, joining={Kind.WORKER: 4}, pid=2)

    assert found.processes == {Kind.WEB: 1, Kind.WORKER: 4}
    assert found.others == 1
    assert found.wanted == POOLS[Kind.WEB] + 4 * POOLS[Kind.WORKER] + 1


def test_too_many_connections_are_a_concern_that_names_who_wants_them() -> None:
    crowded = Crowd(processes={Kind.WEB: 4, Kind.WORKER: 8}, others=5, room=97)
    just_enough = Crowd(processes={Kind.WEB: 4}, others=17, room=97)

    concern = crowded.as_concern()

    assert concern is not None
    assert concern.found == (
        "the processes may open 101 connections (4 web × 20, 8 worker × 2, 5 of others),"
        " and PostgreSQL has room for 97"
    )
    assert "max_connections" in concern.advice
    assert just_enough.as_concern() is None


def test_a_warning_at_start_stops_nothing(own_url: str, connections: Connections) -> None:
    settings = load_settings(database_url=own_url)

    with capture_logs() as logs:
        warn_of_database(connections.engine("psql"), settings, {Kind.WEB: 1_000})

    (line,) = [one for one in logs if one["event"] == "connections.too_many"]
    assert line["log_level"] == "warning"
    assert "1000 web × 20" in line["found"]
