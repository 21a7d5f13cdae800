"""Pages as a browser meets them: alone with us, without complaints, and not wider than a phone."""

from collections.abc import Callable, Iterator

import pytest

from publisher.article import Person, Related, Source
from publisher.database import Sessions
from tests.browser.conftest import Visit
from tests.readers import running_site
from tests.stages.articles import published, run_feeds

WIDTHS = (360, 800, 1600)
ENDLESS = "mot-chu-khong-co-khoang-trang-" * 20
BODY = f"""
<p>Sáng 23/11, thành phố thông xe 23,6 km đường. {ENDLESS}</p>
<h2>{ENDLESS}</h2>
<pre>{ENDLESS}</pre>
<table><tr>{"<th>Hạng mục đầu tư</th>" * 12}</tr><tr>{"<td>1.000.000.000.000</td>" * 12}</tr></table>
<blockquote><p>“{ENDLESS}”</p></blockquote>
"""


@pytest.fixture
def addresses(database: Sessions) -> Iterator[list[str]]:
    """The index, the directory and an article of a running site, made to be wide."""
    with database.begin() as session:
        identifier = published(
            session,
            title=f"Đường {ENDLESS}",
            summary=ENDLESS,
            content_html=BODY,
            categories=(ENDLESS[:60], "Xã hội"),
            authors=(Person(name=ENDLESS),),
            source=Source(name=ENDLESS, url="https://nhandan.vn"),
            related=(Related(title=ENDLESS, url="https://nhandan.vn/khac"),),
        )
        run_feeds(session)
    with running_site(database) as url:
        yield [f"{url}/", f"{url}/feeds", f"{url}/feeds?kind=author", f"{url}/articles/{identifier}"]


def test_pages_ask_nobody_but_us(addresses: list[str], visit: Callable[..., Visit]) -> None:
    for address in addresses:
        visited = visit(address)

        assert [url for url in visited.requested if not url.startswith("data:")] == [address]


def test_the_browser_has_nothing_to_complain_about(addresses: list[str], visit: Callable[..., Visit]) -> None:
    for address in addresses:
        assert visit(address).complaints == []


@pytest.mark.parametrize("width", WIDTHS)
def test_pages_never_scroll_sideways(addresses: list[str], visit: Callable[..., Visit], width: int) -> None:
    for address in addresses:
        page = visit(address, width=width).page

        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_style_is_applied_in_light_and_in_dark(addresses: list[str], visit: Callable[..., Visit]) -> None:
    background = "getComputedStyle(document.body).backgroundColor"

    light = visit(addresses[0]).page.evaluate(background)
    dark = visit(addresses[0], dark=True).page.evaluate(background)

    assert light == "rgb(253, 252, 250)"
    assert dark == "rgb(23, 24, 27)"


def test_a_script_that_got_past_the_sanitiser_does_not_run(
    database: Sessions, visit: Callable[..., Visit]
) -> None:
    hostile = (
        "<p>Trước</p><script>document.title = 'run'</script><img src=x onerror=\"document.title='run'\">"
    )
    with database.begin() as session:
        identifier = published(session, title="Bài", content_html=hostile)
    with running_site(database) as url:
        visited = visit(f"{url}/articles/{identifier}")

        assert visited.page.title().startswith("Bài")
        assert any("Content Security Policy" in complaint for complaint in visited.complaints)
