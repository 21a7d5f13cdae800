"""The bytes that subscribers receive, as contract and CloudEvents' habits want them."""

import json
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from publisher.article import Category, PublicArticle, Source
from publisher.events import EventType
from publisher.notify.fan_out.happened import EndpointChanged, Published, Retracted
from publisher.notify.fan_out.message import instant, message_body, message_name
from publisher.notify.fan_out.stage import prepare

EVENT = UUID("0190a6a0-0000-7000-8000-0000000000aa")
ARTICLE = UUID("0190a6a0-0000-7000-8000-0000000000bb")
ENDPOINT = UUID("0190a6a0-0000-7000-8000-0000000000cc")
URI = f"tag:news.example,2024-07-12:article/{ARTICLE}"
AT = datetime(2021, 11, 23, 8, 52, tzinfo=timezone(timedelta(hours=7)))
WORDS = st.text(st.characters(exclude_categories=["Cs"]))


def article(**fields: object) -> PublicArticle:
    values = {
        "id": ARTICLE,
        "uri": URI,
        "sequence": 2,
        "link": "https://news.example/a",
        "title": "Đường 23,6 km",
        "slug": "duong-23-6-km",
        "summary": "Sáng nay.",
        "content_html": "<p>Nội dung</p>",
        "content_text": "Nội dung",
        "language": "vi",
        "published": AT,
        "updated": AT,
        **fields,
    }
    return PublicArticle(**values)  # type: ignore[arg-type]


def published(**fields: object) -> Published:
    return Published(event_id=EVENT, time=AT, type=EventType.ARTICLE_PUBLISHED, article=article(**fields))


def test_a_published_article_is_told_in_the_form_of_the_contract() -> None:
    happened = published(
        url="https://news.example/a",
        categories=(Category(term="xa-hoi", label="Xã hội"),),
        tags=("đường",),
        places=("Đà Nẵng",),
        source=Source(name="nhandan.vn"),
    )

    body = message_body(happened)

    assert json.loads(body) == {
        "type": "article.published",
        "timestamp": "2021-11-23T01:52:00Z",
        "schema_version": 1,
        "data": {
            "id": str(ARTICLE),
            "uri": URI,
            "sequence": 2,
            "url": "https://news.example/a",
            "link": "https://news.example/a",
            "title": "Đường 23,6 km",
            "summary": "Sáng nay.",
            "language": "vi",
            "categories": [{"term": "xa-hoi", "label": "Xã hội"}],
            "tags": ["đường"],
            "places": ["Đà Nẵng"],
            "source": {"name": "nhandan.vn", "url": None},
            "published": "2021-11-23T01:52:00Z",
            "updated": "2021-11-23T01:52:00Z",
        },
    }


def test_a_message_is_compact_utf8() -> None:
    body = message_body(published())

    assert "Đường 23,6 km".encode() in body
    assert b'": ' not in body


def test_the_content_of_an_article_is_not_sent_along() -> None:
    body = message_body(published())

    assert "Nội dung".encode() not in body


def test_a_retraction_says_what_is_gone_and_why() -> None:
    happened = Retracted(
        event_id=EVENT,
        time=AT,
        type=EventType.ARTICLE_RETRACTED,
        article_id=ARTICLE,
        uri=URI,
        sequence=3,
        url=None,
        reason="sai sự thật",
    )

    body = message_body(happened)

    assert json.loads(body) == {
        "type": "article.retracted",
        "timestamp": "2021-11-23T01:52:00Z",
        "schema_version": 1,
        "data": {
            "id": str(ARTICLE),
            "uri": URI,
            "sequence": 3,
            "url": None,
            "retracted_at": "2021-11-23T01:52:00Z",
            "reason": "sai sự thật",
        },
    }


def test_a_test_names_its_endpoint_and_goes_to_it_alone() -> None:
    happened = EndpointChanged(
        event_id=EVENT, time=AT, type=EventType.ENDPOINT_TEST, endpoint_id=ENDPOINT, reason=None
    )

    message = prepare(happened)

    assert json.loads(message.body)["data"] == {"id": str(ENDPOINT)}
    assert message.only == ENDPOINT


def test_that_an_endpoint_was_disabled_is_told_with_the_reason() -> None:
    happened = EndpointChanged(
        event_id=EVENT, time=AT, type=EventType.ENDPOINT_DISABLED, endpoint_id=ENDPOINT, reason="gone"
    )

    message = prepare(happened)

    assert json.loads(message.body)["data"] == {
        "id": str(ENDPOINT),
        "disabled_reason": "gone",
        "disabled_at": "2021-11-23T01:52:00Z",
    }
    assert message.only is None


def test_the_name_of_a_message_is_its_event_without_dashes() -> None:
    assert message_name(EVENT) == "msg_0190a6a0000070008000" + "0000000000aa"


@given(title=WORDS, summary=WORDS, tags=st.lists(WORDS))
def test_whatever_an_article_says_arrives_as_it_was(title: str, summary: str, tags: list[str]) -> None:
    body = message_body(published(title=title, summary=summary, tags=tuple(tags)))

    data = json.loads(body)["data"]
    assert (data["title"], data["summary"], data["tags"]) == (title, summary, tags)


@given(st.datetimes(timezones=st.timezones(), min_value=datetime(1900, 1, 1), max_value=datetime(9000, 1, 1)))  # noqa: DTZ001
def test_an_instant_is_utc_with_a_z_and_parses_back(moment: datetime) -> None:
    text = instant(moment)

    assert text.endswith("Z")
    assert datetime.fromisoformat(text) == moment.astimezone(UTC)
