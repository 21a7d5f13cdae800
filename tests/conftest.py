"""What every test may ask for: a PostgreSQL database and a Redis of its test process."""

import gc
import logging
import os
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, settings

from tests.dealing import dealt
from tests.servers import Addresses, Keeper, ServersMissing, ask_keeper, versions

KEEPER = pytest.StashKey[Keeper]()
# What a test process of pytest-xdist is told by the process that started it.
FOLDER = "folder_of_the_keeper"


@pytest.hookimpl(tryfirst=True)
def pytest_configure() -> None:
    """Choose how long hypothesis searches (`--hypothesis-profile` overrides it), and what is logged."""
    # Two cores shared by many processes say nothing about how fast a function is.
    quick = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.register_profile("quick", quick)
    settings.register_profile("ci", quick, max_examples=300, print_blob=True)
    settings.load_profile("ci" if os.environ.get("CI") else "quick")
    # As processes do (`configure_logging`): there is a line for each of thousands of deliveries below that.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let every test process begin with what takes long."""
    told: dict[str, Any] = getattr(config, "workerinput", {"workercount": 1})
    items[:] = dealt(items, processes=told["workercount"])


def pytest_collection_finish() -> None:
    """Look for garbage among what tests make, not each time among thousands of tests and all modules."""
    gc.collect()
    gc.freeze()


def pytest_report_header() -> str:
    """Say what the tests run on."""
    return versions()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int | None:
    """Run twice as many tests at a time as there are cores: most of them wait, for leases to run out."""
    if os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS"):
        return None  # pytest-xdist reads it
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return 2 * cores


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a test process of pytest-xdist where the keeper is; the first one makes it start."""
    node.workerinput[FOLDER] = str(_keeper(node.config).folder)


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the servers with the run."""
    if KEEPER in config.stash:
        config.stash[KEEPER].stop()


@pytest.fixture(scope="session")
def servers(request: pytest.FixtureRequest) -> Addresses:
    """The servers of this test process; nothing is started before the first test that wants them."""
    told: dict[str, str] | None = getattr(request.config, "workerinput", None)
    folder = Path(told[FOLDER]) if told else _keeper(request.config).folder
    try:
        return ask_keeper(folder, told["workerid"] if told else "main")
    except ServersMissing as error:
        pytest.fail(f"the tests need servers: {error}", pytrace=False)


@pytest.fixture(scope="session")
def postgres_url(servers: Addresses) -> str:
    """The URL, `postgresql+psycopg://…`, of a database that only this test process uses, tables made."""
    return servers.postgres_url


@pytest.fixture(scope="session")
def redis_url(servers: Addresses) -> str:
    """The URL of a Redis (or a database number of one) that only this test process uses."""
    return servers.redis_url


def _keeper(config: pytest.Config) -> Keeper:
    if KEEPER not in config.stash:
        config.stash[KEEPER] = Keeper()
    return config.stash[KEEPER]
