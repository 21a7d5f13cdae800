"""The directory of feeds in a browser: an address is copied by a button, and can be without any script."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, expect

from feeds.words import VIETNAMESE
from publisher.database import Sessions
from tests.browser.conftest import Visit
from tests.readers import running_site
from tests.stages.articles import BASE_URL, published, run_feeds

ADDRESS = f"{BASE_URL}/feeds/category/xa-hoi.atom"
SELECTED = "getSelection().toString()"


@pytest.fixture
def directory(database: Sessions) -> Iterator[str]:
    """The address of the directory of a running site with two feeds."""
    with database.begin() as session:
        published(session, categories=("Xã hội",))
        run_feeds(session)
    with running_site(database) as url:
        yield f"{url}/feeds"


def test_a_link_hands_the_address_to_a_reader_of_feeds(directory: str, chromium: Browser) -> None:
    page = chromium.new_page()
    page.goto(directory)

    link = page.get_by_role("link", name=VIETNAMESE.subscribe).nth(1)

    expect(link).to_have_attribute("href", f"feed:{ADDRESS}")
    page.close()


def test_a_button_copies_the_address_beside_it(directory: str, chromium: Browser) -> None:
    context = chromium.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(directory)

    button = page.locator("button.copy").nth(1)
    button.click()

    expect(button).to_have_text(VIETNAMESE.copied)
    expect(page.get_by_role("status")).to_have_text(VIETNAMESE.copied)
    assert page.evaluate("navigator.clipboard.readText()") == ADDRESS
    expect(button).to_have_text(VIETNAMESE.copy)
    context.close()


def test_a_button_says_which_address_it_copies(directory: str, visit: Callable[..., Visit]) -> None:
    button = visit(directory).page.locator("button.copy").nth(1)

    expect(button).to_have_accessible_name(VIETNAMESE.copy)
    expect(button).to_have_accessible_description(ADDRESS)


def test_without_a_clipboard_the_address_is_selected(directory: str, visit: Callable[..., Visit]) -> None:
    page = visit(directory).page
    page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page.evaluate("document.execCommand = () => false")

    page.locator("button.copy").nth(1).click()

    assert page.evaluate(SELECTED) == ADDRESS
    expect(page.locator("button.copy").nth(1)).to_have_text(VIETNAMESE.copy)


def test_without_scripts_the_page_is_whole_and_one_click_selects_an_address(
    directory: str, chromium: Browser
) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(directory)

    expect(page.locator("button.copy").first).to_be_hidden()
    expect(page.locator("code").nth(1)).to_have_text(ADDRESS)
    assert page.locator("code").nth(1).evaluate("code => getComputedStyle(code).userSelect") == "all"
    context.close()
