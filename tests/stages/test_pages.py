"""Pages for people: the index, an article, and why there is none."""

import base64
import hashlib
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree, html

from feeds.pages import Pages, is_web_address, lead_of, pictures_of
from feeds.serving.headers import CACHING
from feeds.words import ENGLISH, VIETNAMESE, words_for
from publisher.article import Image, Person, Related, Source
from publisher.database import Sessions, connect, sessions
from publisher.ids import new_id
from publisher.retract import retract
from tests.fixtures.feeds.samples import ARTICLE
from tests.readers import reading
from tests.stages.articles import BASE_URL, STYLE, published, recorded, run_enrich, run_feeds, run_publish

HTML = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
HANOI = ZoneInfo("Asia/Ho_Chi_Minh")
ENDINGS = ("atom", "rss", "json")
PAGES = Pages(STYLE, HANOI)


@pytest.fixture
def reader(database: Sessions) -> Iterator[httpx.Client]:
    """Somebody with a browser."""
    with reading(database) as client:
        client.headers.update(HTML)
        yield client


def text_of(element: etree._Element) -> str:
    return "".join(map(str, element.itertext()))


def links(page: etree._Element) -> dict[str, str]:
    """Return where the links of a page lead, by their text."""
    return {text_of(link): str(link.attrib["href"]) for link in page.iter("a")}


def alternates(page: etree._Element) -> set[tuple[str, str]]:
    """Return the feeds that a page names to feed readers, with their media types."""
    found = [one.attrib for one in page.iter("link") if one.attrib["rel"] == "alternate"]
    return {(str(one["type"]), str(one["href"])) for one in found}


def test_the_index_lists_articles_and_every_feed(database: Sessions, reader: httpx.Client) -> None:
    with database.begin() as session:
        first = published(session, url="https://news.example/1", title="Bài <một> & hơn thế")
        second = published(session, url=None, guid="2", title="Bài hai", categories=("Xã hội",))
        run_feeds(session)

    answer = reader.get("/")

    page = html.fromstring(answer.text)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert [text_of(heading) for heading in page.iter("h3")] == ["Bài hai", "Bài <một> & hơn thế"]
    assert links(page)["Bài <một> & hơn thế"] == f"{BASE_URL}/articles/{first}"
    assert links(page)["Bài hai"] == f"{BASE_URL}/articles/{second}"
    every_link = {link.attrib["href"] for link in page.iter("a")}
    feeds = {f"{BASE_URL}/feeds/{name}.{ending}" for name in ("all", "category/xa-hoi") for ending in ENDINGS}
    assert feeds | {f"{BASE_URL}/docs"} <= every_link


def test_an_index_without_articles_says_so(reader: httpx.Client) -> None:
    answer = reader.get("/")

    assert answer.status_code == 200
    assert VIETNAMESE.nothing_yet in answer.text


def test_feed_readers_find_the_feeds_on_every_page(database: Sessions, reader: httpx.Client) -> None:
    with database.begin() as session:
        identifier = published(session, categories=("Xã hội",))

    index, article = (html.fromstring(reader.get(path).text) for path in ("/", f"/articles/{identifier}"))

    everything = {
        ("application/atom+xml", f"{BASE_URL}/feeds/all.atom"),
        ("application/rss+xml", f"{BASE_URL}/feeds/all.rss"),
        ("application/feed+json", f"{BASE_URL}/feeds/all.json"),
    }
    category = ("application/atom+xml", f"{BASE_URL}/feeds/category/xa-hoi.atom")
    assert alternates(index) == everything
    assert alternates(article) == {*everything, category}


def test_an_article_is_shown_with_everything_that_is_known_of_it(
    database: Sessions, reader: httpx.Client
) -> None:
    with database.begin() as session:
        identifier = published(
            session,
            url="https://nhandan.vn/23-6-km",
            title="Đường 23,6 km",
            summary="Một câu tóm tắt.",
            language="vi",
            published=datetime(2021, 11, 23, 8, 52, tzinfo=timezone(timedelta(hours=7))),
            authors=(Person(name="Nguyễn Ánh"), Person(name="Lê Đức", url="https://nhandan.vn/duc")),
            source=Source(name="nhandan.vn", url="https://nhandan.vn"),
            categories=("Xã hội", "Giao thông"),
            tags=("cầu đường", "ven biển"),
            places=("Đà Nẵng", "Huế"),
            related=(
                Related(title="Bài khác", url="https://nhandan.vn/khac"),
                Related(title="Không địa chỉ"),
            ),
            images=(Image(url="https://nhandan.vn/a.jpg?x=1&y=2", caption="Cầu mới"),),
        )

    page = html.fromstring(reader.get(f"/articles/{identifier}").text)

    (article,) = page.iter("article")
    assert article.attrib["lang"] == "vi"
    assert article.findtext(".//h1") == "Đường 23,6 km"
    assert article.findtext(".//time") == "Thứ ba, 23/11/2021, 08:52 (GMT+7)"
    assert article.findtext(".//p[@class='lead']") == "Một câu tóm tắt."
    assert article.findtext(".//figcaption") == "Cầu mới"
    assert page.xpath("//article//img/@src") == ["https://nhandan.vn/a.jpg?x=1&y=2"]
    assert "thành phố thông xe một tuyến đường mới" in text_of(article)
    assert page.xpath("//link[@rel='canonical']/@href") == ["https://nhandan.vn/23-6-km"]
    expected = {
        "Lê Đức": "https://nhandan.vn/duc",
        "nhandan.vn": "https://nhandan.vn",
        VIETNAMESE.original: "https://nhandan.vn/23-6-km",
        "Xã hội": f"{BASE_URL}/feeds/category/xa-hoi.atom",
        "Giao thông": f"{BASE_URL}/feeds/category/giao-thong.atom",
        "Bài khác": "https://nhandan.vn/khac",
    }
    assert expected.items() <= links(page).items()
    facts = {text_of(one[0]): text_of(one[1]) for one in page.iterfind(".//dl/div")}
    assert facts[VIETNAMESE.tags] == "cầu đường, ven biển"
    assert facts[VIETNAMESE.places] == "Đà Nẵng, Huế"
    assert "Không địa chỉ" in text_of(page)


def test_an_article_without_an_address_of_its_own_is_canonical_here(
    database: Sessions, reader: httpx.Client
) -> None:
    with database.begin() as session:
        identifier = published(session, url=None, guid="a")

    page = html.fromstring(reader.get(f"/articles/{identifier}").text)

    assert page.xpath("//link[@rel='canonical']/@href") == [f"{BASE_URL}/articles/{identifier}"]


def test_the_page_shows_the_public_revision_until_the_next_is_published(
    database: Sessions, reader: httpx.Client
) -> None:
    with database.begin() as session:
        identifier = published(session, title="Bản đầu")
        recorded(session, title="Bản hai")

    answer = reader.get(f"/articles/{identifier}")

    assert "Bản đầu" in answer.text
    assert "Bản hai" not in answer.text


def test_a_corrected_article_says_when(database: Sessions, reader: httpx.Client) -> None:
    with database.begin() as session:
        identifier = published(session, published=datetime(2021, 11, 23, tzinfo=UTC))
    before = reader.get(f"/articles/{identifier}")

    with database.begin() as session:
        published(session, title="Đã sửa")

    after = reader.get(f"/articles/{identifier}")
    assert VIETNAMESE.corrected not in before.text
    assert VIETNAMESE.corrected in after.text
    (article,) = html.fromstring(after.text).iter("article")
    assert len(list(article.iter("time"))) == 2


def test_an_article_is_unknown_until_it_is_published(database: Sessions, reader: httpx.Client) -> None:
    with database.begin() as session:
        received = recorded(session).article_id
        run_enrich(session)

    answers = [reader.get(f"/articles/{one}") for one in (received, new_id(), "x", "%00", "%ff")]

    assert [answer.status_code for answer in answers] == [404] * 5
    assert all(VIETNAMESE.problems[404].title in answer.text for answer in answers)
    assert all("thông xe" not in answer.text for answer in answers)


def test_an_embargoed_article_is_unknown_and_not_listed(database: Sessions, reader: httpx.Client) -> None:
    with database.begin() as session:
        identifier = recorded(session, visible_from=datetime.now(UTC) + timedelta(hours=1)).article_id
        run_enrich(session)
        run_publish(session)

    assert reader.get(f"/articles/{identifier}").status_code == 404
    assert str(identifier) not in reader.get("/").text


def test_a_retracted_article_is_a_page_that_says_gone(database: Sessions, reader: httpx.Client) -> None:
    with database.begin() as session:
        identifier = published(session)
    with database.begin() as session:
        retract(session, identifier, reason="a reason that is nobody's business")

    answer = reader.get(f"/articles/{identifier}")

    assert answer.status_code == 410
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert VIETNAMESE.problems[410].title in answer.text
    assert "Hà Nội" not in answer.text
    assert "nobody's business" not in answer.text
    assert str(identifier) not in reader.get("/").text


@pytest.mark.parametrize(
    "accept", ["application/json", "application/problem+json", "application/json, */*;q=0.5"]
)
def test_programs_get_problems_instead_of_pages(reader: httpx.Client, accept: str) -> None:
    answer = reader.get(f"/articles/{new_id()}", headers={"accept": accept})

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["vary"] == "Accept"
    assert answer.json()["status"] == 404


def test_caches_have_to_ask_each_time(database: Sessions, reader: httpx.Client) -> None:
    with database.begin() as session:
        identifier = published(session)
    first = reader.get(f"/articles/{identifier}")
    condition = {"if-none-match": first.headers["etag"]}

    again = reader.get(f"/articles/{identifier}", headers=condition)
    with database.begin() as session:
        retract(session, identifier, reason=None)
    gone = reader.get(f"/articles/{identifier}", headers=condition)

    assert [answer.status_code for answer in (first, again, gone)] == [200, 304, 410]
    assert again.content == b""
    assert {answer.headers["cache-control"] for answer in (first, again, gone)} == {CACHING}


def test_head_is_get_without_the_body(reader: httpx.Client) -> None:
    full, head = reader.get("/"), reader.head("/")

    assert head.status_code == 200
    assert head.content == b""
    assert head.headers["content-length"] == full.headers["content-length"]


def test_pages_are_packed_for_who_reads_that_and_known_again_as_such(
    database: Sessions, reader: httpx.Client
) -> None:
    plain, packed = reader.get("/"), reader.get("/", headers={"accept-encoding": "gzip"})

    again = reader.get("/", headers={"accept-encoding": "gzip", "if-none-match": packed.headers["etag"]})

    assert packed.headers["content-encoding"] == "gzip"
    assert packed.headers["vary"] == "Accept, Accept-Encoding"
    assert packed.text == plain.text
    assert packed.headers["etag"] != plain.headers["etag"]
    assert again.status_code == 304


def test_nothing_but_our_own_style_is_allowed_to_run(reader: httpx.Client) -> None:
    answer = reader.get("/")

    (style,) = re.findall(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none';")
    assert f"style-src 'sha256-{digest}';" in policy
    assert "script" not in policy
    assert "<script" not in answer.text


def test_pages_are_english_where_the_feeds_are(database: Sessions) -> None:
    with database.begin() as session:
        identifier = published(session, published=datetime(2021, 11, 23, 1, 52, tzinfo=UTC))
    with reading(database, language="en-GB", timezone="Asia/Kolkata") as reader:
        answers = [reader.get(path, headers=HTML) for path in ("/", f"/articles/{identifier}", "/articles/x")]

    assert [
        ENGLISH.newest in answers[0].text,
        "Tuesday, 23 November 2021, 07:22 (GMT+5:30)" in answers[1].text,
    ]
    assert ENGLISH.problems[404].title in answers[2].text
    assert all('<html lang="en-GB">' in answer.text for answer in answers)


def test_without_a_database_people_are_asked_to_come_back(postgres_url: str) -> None:
    engine = connect(postgres_url.rpartition("/")[0] + "/there_is_no_such_database")
    with reading(sessions(engine, {})) as reader:
        answer = reader.get("/", headers=HTML)
    engine.dispose()

    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert VIETNAMESE.problems[503].title in answer.text


@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_is_shown_as_text(text: str) -> None:
    hostile = f"<script>alert(1)</script>\"'&{text}"
    article = replace(
        ARTICLE,
        title=hostile,
        summary=hostile,
        tags=(hostile,),
        places=(hostile,),
        authors=(Person(name=hostile, url=f"javascript:{hostile}"),),
        source=Source(name=hostile, url="data:text/html,x"),
        related=(Related(title=hostile, url=hostile),),
        images=(Image(url=f"https://a.example/{hostile}", alt=hostile, caption=hostile),),
    )

    page = PAGES.article(article)

    assert "<script" not in page
    assert 'href="javascript' not in page
    assert 'href="data:text' not in page


def test_a_lead_that_the_body_begins_with_is_not_shown_twice() -> None:
    article = replace(ARTICLE, content_text="Sáng 23/11,  tỉnh thông xe.\nVà còn nữa.")

    assert lead_of(replace(article, summary="Sáng 23/11, tỉnh…")) == ""
    assert lead_of(replace(article, summary="Chiều 23/11, tỉnh")) == "Chiều 23/11, tỉnh"
    assert lead_of(replace(article, summary="")) == ""


def test_a_picture_that_the_body_shows_is_not_shown_twice() -> None:
    inside, outside = Image(url="https://a.example/1.jpg?x=1&y=2"), Image(url="https://a.example/2.jpg")
    body = '<p><img src="https://a.example/1.jpg?x=1&amp;y=2"></p>'

    assert pictures_of(replace(ARTICLE, content_html=body, images=(inside, outside))) == [outside]


@pytest.mark.parametrize(
    ("url", "harmless"),
    [
        ("https://a.example/", True),
        ("HTTP://a.example/", True),
        ("javascript:alert(1)", False),
        (" javascript:alert(1)", False),
        ("data:text/html,x", False),
        ("//a.example", False),
        ("http://[", True),  # leads nowhere, does nothing
        ("", False),
        (None, False),
    ],
)
def test_only_web_addresses_become_links(url: str | None, harmless: bool) -> None:
    assert is_web_address(url) == harmless


@pytest.mark.parametrize(
    ("zone", "shown"),
    [
        ("UTC", "Thứ hai, 22/11/2021, 18:30 (GMT)"),
        ("Asia/Ho_Chi_Minh", "Thứ ba, 23/11/2021, 01:30 (GMT+7)"),
        ("Asia/Kathmandu", "Thứ ba, 23/11/2021, 00:15 (GMT+5:45)"),
        ("America/St_Johns", "Thứ hai, 22/11/2021, 15:00 (GMT-3:30)"),
    ],
)
def test_dates_are_those_of_the_readers_zone(zone: str, shown: str) -> None:
    at = datetime(2021, 11, 22, 18, 30, tzinfo=UTC)

    assert VIETNAMESE.date(at.astimezone(ZoneInfo(zone))) == shown


def test_who_has_no_words_of_its_own_reads_english() -> None:
    assert [words_for(tag) for tag in ("vi", "VI-vn", "en", "fr", "vie")] == [
        VIETNAMESE,
        VIETNAMESE,
        ENGLISH,
        ENGLISH,
        ENGLISH,
    ]
