"""What there is, for people and for programs: the directory of feeds, OPML, sitemaps, robots.txt."""

import gzip
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from urllib.robotparser import RobotFileParser
from uuid import UUID

import httpx
import pytest
from lxml import etree, html
from sqlalchemy import insert, text

from feeds.directory import KINDS, MOST_COUNTED, DirectoryPart, read_directory, read_every_feed
from feeds.serving.headers import CACHING
from feeds.sitemap_content import read_block, read_news, read_numbers
from feeds.sitemaps import SITEMAP_LENGTH
from feeds.words import ENGLISH, VIETNAMESE, Words
from publisher.article import Person, Source, slug_of
from publisher.database import Sessions, connect, sessions
from publisher.ids import new_id
from publisher.labels import LabelKind
from publisher.retract import retract
from publisher.schema import ArticleLabelRow, LabelRow
from tests.readers import reading
from tests.stages.articles import BASE_URL, published, recorded, run_enrich, run_feeds, run_publish

HTML = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
FILES = ("/feeds.opml", "/sitemap.xml", "/sitemaps/articles-1.xml", "/sitemaps/news.xml", "/robots.txt")
EVERY_FILE = pytest.mark.parametrize("path", FILES)
EVERYTHING = ("/feeds", *FILES)
XML_NAMES = {"s": "http://www.sitemaps.org/schemas/sitemap/0.9"}
NEWS = "{http://www.google.com/schemas/sitemap-news/0.9}"
NOBODYS = (
    "/sitemaps/articles-2.xml",
    "/sitemaps/articles-0.xml",
    "/sitemaps/articles-01.xml",
    "/sitemaps/articles--1.xml",
    "/sitemaps/articles-1.xml.gz",
    "/sitemaps/articles-x.xml",
    "/sitemaps/articles-.xml",
    "/sitemaps/articles-%D9%A1.xml",
    f"/sitemaps/articles-{'9' * 400}.xml",
)


@pytest.fixture
def reader(database: Sessions) -> Iterator[httpx.Client]:
    """Somebody, or some program."""
    with reading(database) as client:
        yield client


def bring_out(database: Sessions, number: int = 0, **fields: object) -> UUID:
    """Publish an article into its feeds."""
    with database.begin() as session:
        identifier = published(session, **{"url": f"https://news.example/{number}", **fields})
        run_feeds(session)
    return identifier


def take_down(database: Sessions, identifier: UUID) -> None:
    with database.begin() as session:
        retract(session, identifier, reason=None)


def hold_back(database: Sessions, **fields: object) -> UUID:
    """Record an article that nobody may see for an hour."""
    with database.begin() as session:
        until = datetime.now(UTC) + timedelta(hours=1)
        identifier = recorded(session, visible_from=until, **fields).article_id
        run_enrich(session)
        run_publish(session)
        run_feeds(session)
    return identifier


def move_to(database: Sessions, identifier: UUID, position: int) -> None:
    """Give an article a place in the feed of everything as if so many had come before it."""
    with database.begin() as session:
        session.execute(
            text(
                "UPDATE article_label SET position = :position WHERE article_id = :article"
                " AND label_id = (SELECT id FROM label WHERE kind = 'all')"
            ),
            {"position": position, "article": identifier},
        )
        session.execute(
            text(
                "UPDATE feed SET last_position = :position"
                " WHERE label_id = (SELECT id FROM label WHERE kind = 'all')"
            ),
            {"position": position},
        )


def bear_tags(database: Sessions, identifier: UUID, names: Sequence[str]) -> None:
    """Let an article bear more tags than one article may have."""
    labels = [{"id": new_id(), "kind": "tag", "slug": slug_of(name), "term": name} for name in names]
    borne = [
        {
            "article_id": identifier,
            "label_id": label["id"],
            "first_visible_at": datetime.now(UTC),
            "position": 1,
        }
        for label in labels
    ]
    with database.begin() as session:
        session.execute(insert(LabelRow), labels)
        session.execute(insert(ArticleLabelRow), borne)


def locations(answer: httpx.Response) -> list[str]:
    """Return the addresses that a sitemap lists."""
    assert answer.status_code == 200
    return [str(one.text) for one in etree.fromstring(answer.content).iterfind("*/s:loc", XML_NAMES)]


def lastmods(answer: httpx.Response) -> Sequence[datetime]:
    """Return when the articles of a sitemap last changed."""
    found = etree.fromstring(answer.content).iterfind("*/s:lastmod", XML_NAMES)
    return [datetime.fromisoformat(str(one.text)) for one in found]


def outlines(answer: httpx.Response) -> dict[str, list[str]]:
    """Return the names of feeds in an OPML file, by folder; what is in none is under the empty name."""
    found: dict[str, list[str]] = {"": []}
    for outline in etree.fromstring(answer.content).iterfind("body/outline"):
        name = str(outline.get("text"))
        if outline.get("type"):
            found[""].append(name)
        else:
            found[name] = [str(one.get("text")) for one in outline]
    return found


def names_on(answer: httpx.Response) -> dict[str, list[str]]:
    """Return the names of feeds on the page, by the heading above them."""
    page = html.fromstring(answer.text)
    return {
        str(section.findtext("h2")): [
            str(name.text).strip() for name in section.iterfind(".//span[@class='name']")
        ]
        for section in page.iter("section")
    }


def links_of(answer: httpx.Response) -> list[str]:
    return [str(one) for one in html.fromstring(answer.text).xpath("//main//a/@href")]


def test_the_directory_shows_every_feed_under_its_kind_as_people_sort_names(
    database: Sessions, reader: httpx.Client
) -> None:
    bring_out(
        database,
        categories=("Đà Nẵng", "Dân vận", "Ăn uống", "An sinh"),
        tags=("đường",),
        authors=(Person(name="Nguyễn Ánh"),),
        source=Source(name="nhandan.vn"),
        places=("Huế", "Đà Nẵng"),
    )

    answer = reader.get("/feeds", headers=HTML)

    assert names_on(answer) == {
        "Chuyên mục": ["An sinh", "Ăn uống", "Dân vận", "Đà Nẵng"],
        "Từ khóa": ["đường"],
        "Tác giả": ["Nguyễn Ánh"],
        "Nguồn": ["nhandan.vn"],
        "Địa danh": ["Đà Nẵng", "Huế"],
    }
    everywhere = {
        f"{BASE_URL}/feeds/{name}.{ending}"
        for name in (
            *("all", "category/da-nang", "tag/duong", "author/nguyen-anh", "source/nhandan-vn"),
            *("place/hue", "place/da-nang"),
        )
        for ending in ("atom", "rss", "json")
    }
    assert {*everywhere, f"{BASE_URL}/feeds.opml"} <= set(links_of(answer))


def test_the_directory_is_english_where_the_feeds_are(database: Sessions) -> None:
    bring_out(database, categories=("News",), authors=(Person(name="Ann"),))
    with reading(database, language="en-GB") as reader:
        page, opml = reader.get("/feeds", headers=HTML), reader.get("/feeds.opml")

    assert names_on(page) == {"Categories": ["News"], "Authors": ["Ann"]}
    assert outlines(opml) == {"": ["Tin tức"], "Categories": ["News"], "Authors": ["Ann"]}


@pytest.mark.parametrize("words", [VIETNAMESE, ENGLISH])
def test_every_kind_of_feed_has_a_heading(words: Words) -> None:
    assert set(words.kinds) == set(KINDS)


def test_each_feeds_address_is_text_to_select_beside_a_button(
    database: Sessions, reader: httpx.Client
) -> None:
    bring_out(database, categories=("Xã hội",))

    page = html.fromstring(reader.get("/feeds", headers=HTML).text)

    addresses = {str(code.get("id")): str(code.text) for code in page.iter("code")}
    assert list(addresses.values()) == [
        f"{BASE_URL}/feeds/{name}.atom" for name in ("all", "category/xa-hoi")
    ]
    assert [button.get("aria-describedby") for button in page.iter("button")] == list(addresses)


def test_links_to_feeds_say_what_they_lead_to(database: Sessions, reader: httpx.Client) -> None:
    page = html.fromstring(reader.get("/feeds", headers=HTML).text)

    types = {
        str(one.get("href")).rpartition(".")[2]: one.get("type") for one in page.iterfind(".//main//a[@type]")
    }
    assert types == {
        "atom": "application/atom+xml",
        "rss": "application/rss+xml",
        "json": "application/feed+json",
        "opml": "text/x-opml",
    }
    assert "feed:" not in page.text_content()


def test_no_script_but_ours_is_allowed_and_that_on_one_page_only(
    database: Sessions, reader: httpx.Client
) -> None:
    directory, index = (reader.get(path, headers=HTML) for path in ("/feeds", "/"))

    (script,) = html.fromstring(directory.text).iter("script")
    assert script.text
    assert "script-src 'sha256-" in directory.headers["content-security-policy"]
    assert "unsafe" not in directory.headers["content-security-policy"]
    assert "script" not in index.headers["content-security-policy"]


def test_every_page_leads_to_the_directory(database: Sessions, reader: httpx.Client) -> None:
    identifier = bring_out(database)

    pages = [
        reader.get(path, headers=HTML) for path in ("/", "/feeds", f"/articles/{identifier}", "/articles/x")
    ]

    for page in pages:
        assert f"{BASE_URL}/feeds" in html.fromstring(page.text).xpath("//footer//a/@href")


def test_feed_readers_find_the_feeds_on_the_directory_too(database: Sessions, reader: httpx.Client) -> None:
    page = html.fromstring(reader.get("/feeds", headers=HTML).text)

    assert page.xpath("//link[@rel='alternate']/@href") == [
        f"{BASE_URL}/feeds/all.{ending}" for ending in ("atom", "rss", "json")
    ]


def test_a_feed_is_listed_as_long_as_a_public_article_bears_its_label(
    database: Sessions, reader: httpx.Client
) -> None:
    stays = bring_out(database, 1, categories=("Xã hội",), tags=("chung",))
    goes = bring_out(database, 2, categories=("Đã gỡ",), tags=("chung",))
    hidden = hold_back(database, url="https://news.example/3", categories=("Chưa đăng",))

    take_down(database, goes)

    page, opml = reader.get("/feeds", headers=HTML), reader.get("/feeds.opml")
    assert names_on(page) == {"Chuyên mục": ["Xã hội"], "Từ khóa": ["chung"]}
    assert outlines(opml) == {"": ["Tin tức"], "Chuyên mục": ["Xã hội"], "Từ khóa": ["chung"]}
    assert locations(reader.get("/sitemaps/articles-1.xml")) == [f"{BASE_URL}/articles/{stays}"]
    assert locations(reader.get("/sitemaps/news.xml")) == [f"{BASE_URL}/articles/{stays}"]
    for path in EVERYTHING:
        shown = reader.get(path, headers=HTML).text
        assert not [one for one in (str(goes), str(hidden), "Đã gỡ", "Chưa đăng") if one in shown]


def test_articles_of_a_feed_are_counted_so_far(database: Sessions, reader: httpx.Client) -> None:
    for number in range(2):
        bring_out(database, number, categories=("Xã hội",), tags=(f"thẻ {number}",))

    with database.begin() as session:
        groups = read_directory(session, DirectoryPart())

    counts = {feed.term: feed.articles for group in groups for feed in group.feeds}
    assert counts == {"Xã hội": 2, "thẻ 0": 1, "thẻ 1": 1}
    assert VIETNAMESE.counted(2, most=MOST_COUNTED) == "2 bài"
    assert [ENGLISH.counted(number, most=100) for number in (1, 99, 100)] == [
        "1 article",
        "99 articles",
        "100+ articles",
    ]


def test_of_very_many_feeds_a_page_shows_some_and_the_rest_can_be_reached(
    database: Sessions, reader: httpx.Client
) -> None:
    identifier = bring_out(database)
    bear_tags(database, identifier, [f"Thẻ {number}" for number in range(100, 800)])

    seen: list[str] = []
    address = "/feeds?kind=tag"
    while address:
        answer = reader.get(address, headers=HTML)
        seen += names_on(answer)["Từ khóa"]
        following = html.fromstring(answer.text).xpath("//a[@rel='next']/@href")
        address = str(following[0]).removeprefix(BASE_URL) if following else ""

    assert seen == [f"Thẻ {number}" for number in range(100, 800)]
    overview = reader.get("/feeds", headers=HTML)
    assert len(names_on(overview)["Từ khóa"]) == 100
    assert f"{BASE_URL}/feeds?kind=tag&from=t" in links_of(overview)
    assert names_on(reader.get("/feeds?kind=tag&from=the-799", headers=HTML)) == {"Từ khóa": ["Thẻ 799"]}
    assert names_on(reader.get("/feeds?kind=tag&from=u", headers=HTML)) == {"Từ khóa": []}
    assert len(outlines(reader.get("/feeds.opml"))["Từ khóa"]) == 700


def test_one_list_of_feeds_has_an_end(database: Sessions) -> None:
    bring_out(database, categories=("A", "B", "C"), tags=("d", "e"))

    with database.begin() as session:
        every = read_every_feed(session, most=4)

    assert {group.kind: [feed.term for feed in group.feeds] for group in every.groups} == {
        LabelKind.CATEGORY: ["A", "B", "C"],
        LabelKind.TAG: ["d"],
    }


@pytest.mark.parametrize(
    "query",
    [
        "kind=all",
        "kind=planet",
        "from=a",
        "kind=tag&from=A",
        "kind=tag&from=%00",
        "kind=tag&from='--",
        "kind=tag&from=%3Cscript%3E",
        f"kind=tag&from={'a' * 5_000}",
    ],
)
def test_the_directory_has_no_other_parts(reader: httpx.Client, query: str) -> None:
    answer = reader.get(f"/feeds?{query}", headers=HTML)

    assert answer.status_code == 404
    assert VIETNAMESE.problems[404].title in answer.text
    assert "<script" not in answer.text


def test_names_of_strangers_are_text_in_all_directories(database: Sessions, reader: httpx.Client) -> None:
    hostile = "\"'><script>alert(1)</script>&amp;]]>"
    bring_out(database, title=hostile, categories=(hostile,), authors=(Person(name=hostile),))

    page, opml, news = (
        reader.get(path, headers=HTML) for path in ("/feeds", "/feeds.opml", "/sitemaps/news.xml")
    )

    assert names_on(page) == {"Chuyên mục": [hostile], "Tác giả": [hostile]}
    assert "<script>alert" not in page.text
    assert outlines(opml) == {"": ["Tin tức"], "Chuyên mục": [hostile], "Tác giả": [hostile]}
    assert etree.fromstring(news.content).findtext(f".//{NEWS}title") == hostile


def test_opml_names_the_atom_feed_and_a_page(database: Sessions, reader: httpx.Client) -> None:
    bring_out(database, categories=("Xã hội",))

    answer = reader.get("/feeds.opml")

    feeds = [one for one in etree.fromstring(answer.content).iter("outline") if one.get("type") == "rss"]
    assert answer.headers["content-type"] == "text/x-opml; charset=utf-8"
    assert [one.get("xmlUrl") for one in feeds] == [
        f"{BASE_URL}/feeds/{name}.atom" for name in ("all", "category/xa-hoi")
    ]
    assert {one.get("htmlUrl") for one in feeds} == {f"{BASE_URL}/"}


def test_the_list_of_feeds_changes_with_the_feeds_and_not_with_articles(
    database: Sessions, reader: httpx.Client
) -> None:
    bring_out(database, 1, categories=("Xã hội",))
    first = reader.get("/feeds.opml")

    bring_out(database, 2, categories=("Xã hội",))

    again = reader.get("/feeds.opml", headers={"if-none-match": first.headers["etag"]})
    bring_out(database, 3, categories=("Thế giới",))
    later = reader.get("/feeds.opml", headers={"if-none-match": first.headers["etag"]})
    assert [again.status_code, later.status_code] == [304, 200]


def test_the_index_of_sitemaps_leaves_out_blocks_without_articles(
    database: Sessions, reader: httpx.Client
) -> None:
    news = f"{BASE_URL}/sitemaps/news.xml"
    assert locations(reader.get("/sitemap.xml")) == [news]

    first, second, third = (bring_out(database, number) for number in range(3))
    move_to(database, second, SITEMAP_LENGTH + 1)
    move_to(database, third, 2 * SITEMAP_LENGTH + 1)
    take_down(database, second)

    assert locations(reader.get("/sitemap.xml")) == [
        news,
        f"{BASE_URL}/sitemaps/articles-1.xml",
        f"{BASE_URL}/sitemaps/articles-3.xml",
    ]
    blocks = [locations(reader.get(f"/sitemaps/articles-{number}.xml")) for number in (1, 2, 3)]
    assert blocks == [[f"{BASE_URL}/articles/{first}"], [], [f"{BASE_URL}/articles/{third}"]]


def test_a_sitemap_ends_at_its_last_place(database: Sessions) -> None:
    first, second = (bring_out(database, number) for number in range(2))
    move_to(database, first, SITEMAP_LENGTH)
    move_to(database, second, SITEMAP_LENGTH + 1)

    with database.begin() as session:
        blocks = [read_block(session, number) for number in (1, 2, 3)]
        numbers = read_numbers(session)

    assert [[one.id for one in block] if block is not None else None for block in blocks] == [
        [first],
        [second],
        None,
    ]
    assert numbers == [1, 2]


def test_an_old_sitemap_stays_as_it_is_until_an_article_in_it_changes(
    database: Sessions, reader: httpx.Client
) -> None:
    long_ago = datetime(2021, 11, 23, tzinfo=UTC)
    old, new = (bring_out(database, number, published=long_ago) for number in range(2))
    move_to(database, new, SITEMAP_LENGTH + 1)
    first = reader.get("/sitemaps/articles-1.xml")
    known = {"if-none-match": first.headers["etag"]}

    bring_out(database, 2)

    assert reader.get("/sitemaps/articles-1.xml", headers=known).status_code == 304
    bring_out(database, 0, title="Đã sửa")
    corrected = reader.get("/sitemaps/articles-1.xml", headers=known)
    assert locations(corrected) == [f"{BASE_URL}/articles/{old}"]
    assert lastmods(first) == [long_ago]
    assert lastmods(corrected) > [long_ago]


def test_a_sitemap_that_there_cannot_be_is_unknown(database: Sessions, reader: httpx.Client) -> None:
    bring_out(database)

    answers = [reader.get(path) for path in NOBODYS]

    assert [answer.status_code for answer in answers] == [404] * len(NOBODYS)


def test_news_are_what_was_published_in_the_last_two_days_newest_first(database: Sessions) -> None:
    at = datetime.now(UTC)
    ages = {0: timedelta(hours=47), 1: timedelta(hours=49), 2: timedelta(minutes=1), 3: timedelta(days=700)}
    articles = {
        number: bring_out(database, number, published=at - age, title=f"Bài {number}", language="en-GB")
        for number, age in ages.items()
    }

    with database.begin() as session:
        news = read_news(session, at=at)
        later = read_news(session, at=at + timedelta(hours=2))

    assert [(one.id, one.title, one.language) for one in news] == [
        (articles[2], "Bài 2", "en-GB"),
        (articles[0], "Bài 0", "en-GB"),
    ]
    assert [one.published for one in news] == [at - ages[2], at - ages[0]]
    assert [one.id for one in later] == [articles[2]]


def test_robots_may_read_everything_but_the_api_and_private_feeds(reader: httpx.Client) -> None:
    answer = reader.get("/robots.txt")

    robots = RobotFileParser()
    robots.parse(answer.text.splitlines())
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert robots.site_maps() == [f"{BASE_URL}/sitemap.xml"]
    paths = (
        "/",
        "/feeds",
        "/feeds/all.atom",
        "/articles/x",
        "/sitemap.xml",
        "/v1/articles",
        "/feeds/private/x",
    )
    assert [robots.can_fetch("anybot", f"{BASE_URL}{path}") for path in paths] == [True] * 5 + [False] * 2


@EVERY_FILE
def test_whoever_has_a_file_is_told_so_in_each_coding(
    database: Sessions, reader: httpx.Client, path: str
) -> None:
    bring_out(database, categories=("Xã hội",))
    plain = reader.get(path)
    packed = reader.get(path, headers={"accept-encoding": "gzip"})

    again = [
        reader.get(path, headers={"if-none-match": plain.headers["etag"]}),
        reader.get(path, headers={"if-none-match": packed.headers["etag"], "accept-encoding": "gzip"}),
    ]

    assert [answer.status_code for answer in again] == [304, 304]
    assert [answer.content for answer in again] == [b"", b""]
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.content == plain.content
    assert packed.headers["etag"] != plain.headers["etag"]
    assert int(packed.headers["content-length"]) == len(gzip.compress(plain.content, 5, mtime=0))


@EVERY_FILE
def test_a_files_headers_say_who_may_read_and_keep_it(
    database: Sessions, reader: httpx.Client, path: str
) -> None:
    bring_out(database)

    answer, head = reader.get(path), reader.head(path)

    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["cache-control"] == CACHING
    assert answer.headers["vary"] == "Accept-Encoding"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert head.content == b""
    assert {**head.headers, "date": ""} == {**answer.headers, "date": ""}


def test_the_directory_is_packed_and_known_again(database: Sessions, reader: httpx.Client) -> None:
    bring_out(database)
    headers = {**HTML, "accept-encoding": "gzip"}

    first = reader.get("/feeds", headers=headers)
    again = reader.get("/feeds", headers={**headers, "if-none-match": first.headers["etag"]})

    assert first.headers["content-encoding"] == "gzip"
    assert first.headers["vary"] == "Accept, Accept-Encoding"
    assert again.status_code == 304


def test_without_a_database_everybody_is_asked_to_come_back(postgres_url: str) -> None:
    engine = connect(postgres_url.rpartition("/")[0] + "/there_is_no_such_database")
    with reading(sessions(engine, {})) as reader:
        answers = {path: reader.get(path, headers=HTML) for path in EVERYTHING}
    engine.dispose()

    assert answers.pop("/robots.txt").status_code == 200
    assert {answer.status_code for answer in answers.values()} == {503}
    assert all(answer.headers["retry-after"] for answer in answers.values())
