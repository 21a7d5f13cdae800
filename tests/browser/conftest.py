"""What the tests in a browser share: the system's Chromium, and a database that is empty afterwards."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from publisher.database import Sessions, connect, sessions
from tests.databases import empty
from tests.stages.conftest import ROUTES

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A browser with an empty profile."""
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        pytest.skip(f"there is no Chromium: none of {', '.join(_NAMES)} is on PATH")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=Path(found), args=_FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def database(postgres_url: str) -> Iterator[Sessions]:
    """Sessions on an empty database."""
    engine = connect(postgres_url, application_name="publisher tests")
    yield sessions(engine, ROUTES)
    empty(engine)
    engine.dispose()
