"""What the tests in a browser share: the system's Chromium, and a database that is empty afterwards."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

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


@dataclass(frozen=True, kw_only=True)
class Visit:
    """A page that was opened, and what the browser did and said meanwhile."""

    page: Page
    requested: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


@pytest.fixture
def visit(chromium: Browser) -> Iterator[Callable[..., Visit]]:
    """Open an address in a window of some width."""
    context = chromium.new_context()

    def opened(url: str, *, width: int = 1280, dark: bool = False) -> Visit:
        visit = Visit(page=context.new_page())
        visit.page.on("request", lambda request: visit.requested.append(request.url))
        visit.page.on("console", lambda message: visit.complaints.append(message.text))
        visit.page.on("pageerror", lambda error: visit.complaints.append(str(error)))
        visit.page.set_viewport_size({"width": width, "height": 900})
        visit.page.emulate_media(color_scheme="dark" if dark else "light")
        visit.page.goto(url, wait_until="networkidle")
        return visit

    yield opened
    context.close()
