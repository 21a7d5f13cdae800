"""Feeds of what a search finds: words of any script, with their marks or without, and never what is gone."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from urllib.parse import quote
from uuid import UUID

import feedparser
import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import String, func, literal, select, text
from sqlalchemy.dialects.postgresql import TSQUERY, TSVECTOR
from sqlalchemy.orm import Session

from feeds.feed import FeedFormat
from feeds.search.index import search_document
from feeds.search.query import NotASearch, parse_search
from publisher.article import PublicArticle
from publisher.database import Sessions
from publisher.retract import retract
from publisher.schema import ArticleSearchRow
from tests.readers import reading
from tests.stages.articles import BASE_URL, published, run_feeds
from tests.waiting import eventually

EVERY_FORMAT = pytest.mark.parametrize("feed_format", list(FeedFormat))
HOSTILE = (
    "' OR 1=1 --",
    "'); DROP TABLE article; --",
    "a' & 'b",
    "\\' | !x:*",
    "a:*",
    "((((a",
    "a <-> ! & | b",
    'a"b"c""',
    "%' UNION SELECT * FROM api_key --",
    "{{7*7}} <script>alert(1)</script>",
    "a\r\nSet-Cookie: b=c",
    "a\x00b",
    "\ud7ff\ufffe a",
    "language:vi category:xa-hoi",
)
NOTHING = ("", "   ", '"', '""', "-", "-a", '-"a b" -c', "…!?", "\u0301", "'", "\x00")
# Enough that whoever is older is not among those that are looked through first.
OTHERS = (
    """
    INSERT INTO article (id, uri, status, sequence, revision, published, updated, received_at)
    SELECT gen_random_uuid(), 'tag:' || n, 'published', 1, 1, now(), now(), now()
    FROM generate_series(1, 1100) AS n
    """,
    """
    INSERT INTO article_label (article_id, label_id, first_visible_at, position)
    SELECT article.id, label.id, now(), 1 + row_number() OVER () FROM article, label
    WHERE label.kind = 'all' AND article.public_revision IS NULL
    """,
    "UPDATE feed SET last_position = 1101 FROM label WHERE label.id = feed.label_id AND label.kind = 'all'",
)
TEXT = st.text(st.characters(exclude_categories=("Cs",)))


@pytest.fixture
def reader(database: Sessions) -> Iterator[httpx.Client]:
    """Somebody who reads feeds."""
    with reading(database) as client:
        yield client


def bring_out(database: Sessions, title: str, **fields: object) -> str:
    """Publish an article into its feeds; return its id."""
    with database.begin() as session:
        values = {"url": f"https://news.example/{quote(title)}", "content_html": "<p>Bài.</p>", **fields}
        identifier = published(session, title=title, **values)
        run_feeds(session)
    return str(identifier)


def found(reader: httpx.Client, q: str, **parameters: object) -> list[str]:
    """Return the titles that a search finds."""
    answer = reader.get("/feeds/search.json", params={"q": q, **parameters})
    assert answer.status_code == 200, answer.text
    return [item["title"] for item in answer.json()["items"]]


@EVERY_FORMAT
def test_a_search_has_a_feed_in_every_format(
    database: Sessions, reader: httpx.Client, feed_format: FeedFormat
) -> None:
    bring_out(database, "Mưa lớn ở Đà Nẵng")
    bring_out(database, "Nắng ở Huế")

    answer = reader.get(f"/feeds/search.{feed_format}", params={"q": "đà nẵng"})

    own = f"{BASE_URL}/feeds/search.{feed_format}?q=%C4%91%C3%A0%20n%E1%BA%B5ng"
    assert answer.status_code == 200
    assert answer.headers["content-type"] == feed_format.content_type
    assert answer.headers["link"] == f'<{own}>; rel="self"; type="{feed_format.media_type}"'
    if feed_format is FeedFormat.JSON:
        document = answer.json()
        assert (document["title"], document["feed_url"]) == ("Tin tức – đà nẵng", own)
        assert [item["title"] for item in document["items"]] == ["Mưa lớn ở Đà Nẵng"]
        assert "next_url" not in document
    else:
        parsed = feedparser.parse(answer.content)
        assert not parsed["bozo"]
        assert parsed["feed"]["title"] == "Tin tức – đà nẵng"
        assert [one["href"] for one in parsed["feed"]["links"] if one["rel"] == "self"] == [own]
        assert [entry["title"] for entry in parsed["entries"]] == ["Mưa lớn ở Đà Nẵng"]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("da nang", True),
        ("DA NANG", True),
        ("đà nẵng", True),
        ("Đa\u0300 Na\u0306\u0303ng", True),
        ("ÐÀ nang", True),
        ("đá nẵng", False),
        ("hoà", True),
        ("hòa", True),
        ("hoa", True),
        ("hóa", False),
        ('"hoa binh o da nang"', True),
        ("“hòa bình”", True),
        ('"bình hoà"', False),
        ("bình hoà", True),
        ("hoa -binh", False),
        ("hoa -bính", True),
        ('hoa -"o da"', False),
        ('hoa -"da o"', True),
        ("23,6", True),
        ("6,23", False),
        ("319/qd-ttg", True),
        ("北京", True),
        ("京北", False),
        ("京", True),
        ("thitruong", False),
    ],
)
def test_words_are_found_as_people_ask_for_them(
    database: Sessions, reader: httpx.Client, asked: str, *, expected: bool
) -> None:
    title = "Hoà bình ở Đà Nẵng: 23,6 ha theo 319/QĐ-TTg, 北京市"
    bring_out(database, title)

    assert found(reader, asked) == [title] * expected


def test_summary_and_body_are_searched_and_no_phrase_goes_from_one_into_the_other(
    database: Sessions, reader: httpx.Client
) -> None:
    bring_out(database, "Một hai", summary="Ba bốn", content_html="<p>Năm</p><p><b>s</b>áu</p>")

    assert [found(reader, one) != [] for one in ('"ba bốn"', '"năm sáu"', '"hai ba"', "hai ba sáu")] == [
        True,
        True,
        False,
        True,
    ]


def test_the_newest_stand_first_and_no_more_than_a_feed_holds(database: Sessions) -> None:
    for number in range(5):
        bring_out(database, f"Mưa {number}")

    with reading(database, feed_length=3) as reader:
        assert found(reader, "mưa") == ["Mưa 4", "Mưa 3", "Mưa 2"]


def test_what_few_have_is_found_behind_a_thousand_others(database: Sessions, reader: httpx.Client) -> None:
    bring_out(database, "Mưa lớn")
    with database.begin() as session:
        for statement in OTHERS:
            session.execute(text(statement))
    bring_out(database, "Nắng to")

    assert (found(reader, "mưa"), found(reader, "nắng"), found(reader, "gió")) == (
        ["Mưa lớn"],
        ["Nắng to"],
        [],
    )


def test_a_search_can_be_narrowed_to_categories_and_a_language(
    database: Sessions, reader: httpx.Client
) -> None:
    bring_out(database, "Rain one", categories=("Xã hội",), language="en-GB")
    bring_out(database, "Rain two", categories=("Thời tiết", "Xã hội"), language="vi")
    bring_out(database, "Rain three", language="vi")

    assert found(reader, "rain", category="Xã hội") == ["Rain two", "Rain one"]
    assert found(reader, "rain", category="xa-hoi", lang="en") == ["Rain one"]
    assert found(reader, "rain", category=["thoi-tiet", "xa-hoi"]) == ["Rain two", "Rain one"]
    assert found(reader, "rain", category="the-gioi") == []
    assert found(reader, "rain", lang="vi-VN", category="") == ["Rain three", "Rain two"]


def test_the_same_search_has_one_address_however_it_is_asked(
    database: Sessions, reader: httpx.Client
) -> None:
    asked = (
        "/feeds/search.atom?category=thoi-tiet&category=xa-hoi&lang=vi&q=m%C6%B0a%20to",
        "/feeds/search.atom?utm=x&q=%20mu%CC%9Ba++to&lang=VI-vn&category=X%C3%A3+h%E1%BB%99i&category=thoi-tiet",
    )

    answers = [reader.get(one) for one in asked]

    assert {one.headers["link"].partition(">")[0] for one in answers} == {f"<{BASE_URL}{asked[0]}"}
    assert answers[0].content == answers[1].content
    assert answers[0].headers["etag"] == answers[1].headers["etag"]


def test_who_has_a_search_already_is_told_so(database: Sessions, reader: httpx.Client) -> None:
    bring_out(database, "Mưa")
    first = reader.get("/feeds/search.atom?q=m%C6%B0a")

    tag = {"if-none-match": first.headers["etag"]}
    again = reader.get("/feeds/search.atom?q=m%C6%B0a", headers=tag)
    bring_out(database, "Mưa nữa")
    later = reader.get("/feeds/search.atom?q=m%C6%B0a", headers=tag)

    assert (again.status_code, later.status_code) == (304, 200)


def test_no_search_is_answered_with_what_another_found(database: Sessions) -> None:
    bring_out(database, "Mưa")
    bring_out(database, "Nắng")

    with reading(database) as reader:
        titles = [found(reader, one) for one in ("mưa", "nắng", "mưa")]
        trick = reader.get("/feeds/search.json%3Fq=m%C6%B0a")

    assert titles == [["Mưa"], ["Nắng"], ["Mưa"]]
    assert trick.status_code == 404


def test_what_finds_nothing_is_an_empty_feed(reader: httpx.Client) -> None:
    answer = reader.get("/feeds/search.atom?q=zyxwvut")

    assert answer.status_code == 200
    assert feedparser.parse(answer.content)["entries"] == []


def test_a_takedown_is_found_no_more_and_leaves_no_words(database: Sessions, reader: httpx.Client) -> None:
    identifier = bring_out(database, "Mưa lớn")
    before = found(reader, "mưa")

    with database.begin() as session:
        retract(session, UUID(identifier), reason=None)

    answer = reader.get("/feeds/search.atom?q=m%C6%B0a")
    assert (before, found(reader, "mưa")) == (["Mưa lớn"], [])
    assert b"deleted-entry" not in answer.content
    with database() as session:
        assert session.scalar(select(func.count()).select_from(ArticleSearchRow)) == 0


def test_a_correction_is_found_by_its_new_words_only(database: Sessions, reader: httpx.Client) -> None:
    bring_out(database, "Mưa lớn", url="https://news.example/a", categories=("Thời tiết",))

    bring_out(database, "Nắng to", url="https://news.example/a", categories=("Xã hội",))

    assert found(reader, "mưa") == []
    assert found(reader, "nắng", category="thoi-tiet") == []
    assert found(reader, "nắng", category="xa-hoi") == ["Nắng to"]


def test_what_is_under_embargo_is_not_found(database: Sessions, reader: httpx.Client) -> None:
    bring_out(database, "Mưa lớn", visible_from=datetime.now(UTC) + timedelta(days=1))

    assert found(reader, "mưa") == []


@pytest.mark.parametrize("asked", HOSTILE)
def test_what_looks_like_an_attack_is_text(database: Sessions, reader: httpx.Client, asked: str) -> None:
    bring_out(database, "Mưa lớn")

    for ending in FeedFormat:
        answer = reader.get(f"/feeds/search.{ending}", params={"q": asked})

        assert answer.status_code == 200, answer.text
        assert "set-cookie" not in answer.headers
        assert feedparser.parse(answer.content)["entries"] == []
    assert found(reader, "mưa") == ["Mưa lớn"]


@pytest.mark.parametrize("asked", NOTHING)
def test_without_a_word_there_is_no_search(reader: httpx.Client, asked: str) -> None:
    answer = reader.get("/feeds/search.atom", params={"q": asked})

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert [one["parameter"] for one in answer.json()["errors"]] == ["q"]


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("q", "a" * 2_001),
        ("lang", "x'y"),
        ("lang", "a" * 500),
        ("category", "a" * 201),
        ("category", ["a"] * 51),
    ],
)
def test_what_is_too_much_is_refused_by_name(reader: httpx.Client, parameter: str, value: object) -> None:
    answer = reader.get("/feeds/search.rss", params={"q": "a", parameter: value})

    assert answer.status_code == 422
    assert [one["parameter"] for one in answer.json()["errors"]] == [parameter]


@pytest.mark.parametrize("ending", ["xml", "ATOM", "", "atom/"])
def test_other_endings_are_unknown(reader: httpx.Client, ending: str) -> None:
    answer = reader.get(f"/feeds/search.{ending}?q=a")

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("letter", ["a", "ặ", "م", "ก", "手", "𠀀", "ह", "한"])
@pytest.mark.parametrize("apart", ["", " "])
def test_two_thousand_characters_of_any_script_are_a_search(
    database: Sessions, reader: httpx.Client, letter: str, apart: str
) -> None:
    bring_out(database, "Mưa lớn")
    asked = ((letter + apart) * 2_000)[:2_000]

    answer = reader.get("/feeds/search.atom", params={"q": asked})

    assert answer.status_code == 200
    assert not feedparser.parse(answer.content)["bozo"]


def test_a_search_that_takes_too_long_is_put_off_and_holds_up_no_feed(
    database: Sessions, reader: httpx.Client
) -> None:
    bring_out(database, "Mưa lớn")

    with database() as holding:
        holding.execute(text("LOCK TABLE article_search"))
        search = reader.get("/feeds/search.atom?q=m%C6%B0a")
        feed = reader.get("/feeds/all.atom")

    assert (search.status_code, feed.status_code) == (503, 200)
    assert search.headers["content-type"] == "application/problem+json"
    assert "retry-after" in search.headers
    assert search.elapsed < timedelta(seconds=3.5)


def test_many_searches_at_once_leave_room_for_others(database: Sessions) -> None:
    bring_out(database, "Mưa lớn")

    with reading(database) as reader, ThreadPoolExecutor(40) as pool:
        with database() as holding:
            holding.execute(text("LOCK TABLE article_search"))
            searches = [
                pool.submit(reader.get, f"/feeds/search.atom?q=mua{number}", timeout=30)
                for number in range(39)
            ]
            eventually(lambda: any(one.done() for one in searches))
            feed = reader.get("/feeds/all.atom", timeout=1.5)
        statuses = {one.result().status_code for one in searches}

    assert feed.status_code == 200
    assert 429 in statuses
    assert statuses <= {200, 429, 503}


def article(title: str, summary: str, body: str) -> PublicArticle:
    at = datetime(2021, 11, 23, tzinfo=UTC)
    return PublicArticle(
        id=UUID(int=1), uri="tag:a", sequence=1, link="https://a.example/", title=title, slug="a",
        summary=summary, content_html="", content_text=body, language="vi", published=at, updated=at,
    )  # fmt: skip


def takes(session: Session, document: str, query: str) -> bool | None:
    """Return whether PostgreSQL finds a document by a query."""
    vector, asked = literal(document, String).cast(TSVECTOR), literal(query, String).cast(TSQUERY)
    return session.scalar(select(vector.op("@@")(asked)))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(title=TEXT, summary=TEXT, body=TEXT)
def test_every_text_is_found_by_its_own_words(session: Session, title: str, summary: str, body: str) -> None:
    document = search_document(article(title, summary, body))

    for part in (title, summary, body):
        try:
            query = parse_search(part.replace('"', " ").replace("-", " ")[:2_000]).query
        except NotASearch:
            continue
        assert takes(session, document, query)


@pytest.mark.parametrize(
    "body",
    [
        "a " * 1_000_000,
        "a" * 2_000_000,
        " ".join(f"{number}ặ" * 60 for number in range(8_000)),
        " ".join(chr(0x20000 + number) * 300 for number in range(8_000)),
        "ΐ" * 300,
        "'\\ ''' \\\\ " * 1_000,
        "手" * 100_000,
    ],
)
def test_no_text_is_too_much_for_the_index(session: Session, body: str) -> None:
    document = search_document(article("Mưa", "", body))

    assert takes(session, document, parse_search("mưa").query)
