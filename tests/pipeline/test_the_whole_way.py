"""The whole way, by what clients see: an article comes in, is in every feed, and is told to who asked."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import feedparser
import httpx
import pytest
from standardwebhooks.webhooks import Webhook

from publisher.access import create_key
from tests.pipeline.system import System
from tests.receivers import Received, Receivers, Reply
from tests.waiting import eventually

ARTICLE = {
    "url": "https://news.example/duong-moi",
    "title": "Hà Nội thông xe 23,6 km đường & cầu",
    "content_html": "<p>Sáng 23/11, thành phố thông xe một tuyến đường mới.</p><script>alert(1)</script>",
    "categories": ["Xã hội"],
    "published": "2021-11-23T08:52:00+07:00",
}


@pytest.fixture
def api(system: System) -> Iterator[httpx.Client]:
    """A client with every scope; relay, worker, sender and web run."""
    for process in ("relay", "worker", "sender"):
        system.start(process)
    with system.sessions.begin() as session:
        _, key = create_key(session, name="tests", scopes=["admin"])
    with system.start_web() as client:
        client.headers["Authorization"] = f"Bearer {key}"
        yield client


@contextmanager
def subscriber(api: httpx.Client, **fields: Any) -> Iterator[tuple[Receivers, str, str]]:
    """Register an endpoint; yield who receives, the endpoint's id, and its secret."""
    with Receivers() as receivers:
        made = api.post("/v1/endpoints", json={"url": receivers.url(), **fields})
        assert made.status_code == 201, made.text
        yield receivers, made.json()["id"], made.json()["secret"]


def post(api: httpx.Client, **fields: Any) -> dict[str, Any]:
    answer = api.post("/v1/articles", json={**ARTICLE, **fields})
    assert answer.status_code in (200, 201), answer.text
    body: dict[str, Any] = answer.json()
    return body


def published(api: httpx.Client, article: dict[str, Any], sequence: int) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        body: dict[str, Any] = api.get(f"/v1/articles/{article['id']}").json()
        return body if (body["status"], body["sequence"]) == ("published", sequence) else None

    seen = eventually(look, within_s=20)
    assert seen is not None
    return seen


def entries(api: httpx.Client, feed: str) -> dict[str, Any]:
    parsed = feedparser.parse(api.get(f"/feeds/{feed}").content)
    assert not parsed.bozo
    return {entry.id: entry for entry in parsed.entries}


def items(api: httpx.Client, feed: str) -> dict[str, Any]:
    return {item["id"]: item for item in api.get(f"/feeds/{feed}.json").json()["items"]}


def verified(received: Received, secret: str) -> dict[str, Any]:
    body: dict[str, Any] = Webhook(secret).verify(received.body, dict(received.headers))
    return body


def test_an_article_is_in_every_feed_and_told_to_its_subscribers(api: httpx.Client) -> None:
    with subscriber(api) as (receivers, endpoint, secret):
        article = post(api)
        seen = published(api, article, 1)
        (webhook,) = eventually(receivers.received, within_s=10)

        told = verified(webhook, secret)
        assert told["type"] == "article.published"
        assert told["data"]["uri"] == article["uri"]
        assert told["data"]["title"] == ARTICLE["title"]
        assert webhook.headers["publisher-sequence"] == "1"
        assert webhook.headers["webhook-id"].startswith("msg_")
        deliveries = eventually(lambda: _succeeded(api, endpoint))
        assert [one["attempts"][0]["status"] for one in deliveries] == [204]

    assert seen["published"] == "2021-11-23T01:52:00Z"
    assert "script" not in seen["content_html"]
    for feed in ("all", "category/xa-hoi"):
        eventually(lambda feed=feed: article["uri"] in items(api, feed))  # type: ignore[misc]
        for ending in ("atom", "rss"):
            entry = entries(api, f"{feed}.{ending}")[article["uri"]]
            assert entry.title == ARTICLE["title"]
            assert entry.link == ARTICLE["url"]
        assert items(api, feed)[article["uri"]]["_publisher"] == {"sequence": 1}


def test_a_correction_reaches_readers_and_subscribers_as_the_same_article(api: httpx.Client) -> None:
    with subscriber(api) as (receivers, _, secret):
        article = post(api)
        published(api, article, 1)
        eventually(receivers.received)
        corrected = post(api, title="Đính chính: 24 km")
        published(api, corrected, 2)
        first, second = (
            eventually(lambda: receivers.received() if len(receivers.received()) == 2 else None) or []
        )

        assert corrected["outcome"] == "revised"
        assert corrected["id"] == article["id"]
        assert verified(second, secret)["type"] == "article.corrected"
        assert second.headers["publisher-sequence"] == "2"
        assert first.headers["webhook-id"] != second.headers["webhook-id"]
    entry = eventually(lambda: _titled(entries(api, "all.atom"), "Đính chính: 24 km"))
    assert entry.id == article["uri"]
    assert entry.updated_parsed > entry.published_parsed


def test_a_takedown_is_gone_for_readers_at_once_and_told_to_subscribers(api: httpx.Client) -> None:
    with subscriber(api) as (receivers, _, secret):
        article = post(api)
        published(api, article, 1)
        eventually(receivers.received)
        eventually(lambda: article["uri"] in items(api, "all"))

        gone = api.delete(f"/v1/articles/{article['id']}", params={"reason": "sai sự thật"})

        assert gone.json()["status"] == "retracted"
        eventually(lambda: article["uri"] not in items(api, "all"), within_s=1)
        assert article["uri"] not in entries(api, "category/xa-hoi.rss")
        atom = api.get("/feeds/all.atom").text
        assert "deleted-entry" in atom
        assert api.get(f"/v1/articles/{article['id']}").status_code == 410
        assert api.get(f"/articles/{article['id']}").status_code == 410
        notice = eventually(lambda: receivers.received()[1:])[0]
        told = verified(notice, secret)
        assert (told["type"], told["data"]["reason"]) == ("article.retracted", "sai sự thật")
        assert ARTICLE["title"] not in json.dumps(told, ensure_ascii=False)
    assert api.post("/v1/articles", json=ARTICLE).status_code == 409
    assert post(api, restore=True)["outcome"] == "restored"


def test_a_failed_delivery_is_retried_with_the_same_id_and_body(api: httpx.Client) -> None:
    replies = iter([Reply(status=503), Reply(status=204)])
    with Receivers(lambda _: next(replies, Reply())) as receivers:
        made = api.post("/v1/endpoints", json={"url": receivers.url()}).json()
        post(api)
        first, second = (
            eventually(lambda: receivers.received() if len(receivers.received()) == 2 else None, within_s=25)
            or []
        )

    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body
    assert first.headers["webhook-timestamp"] != second.headers["webhook-timestamp"]
    assert verified(second, made["secret"])["type"] == "article.published"


def _succeeded(api: httpx.Client, endpoint: str) -> list[dict[str, Any]]:
    answer = api.get(f"/v1/endpoints/{endpoint}/deliveries", params={"state": "succeeded"})
    data: list[dict[str, Any]] = answer.json()["data"]
    return data


def _titled(found: dict[str, Any], title: str) -> Any:
    return next((entry for entry in found.values() if entry.title == title), None)


def test_who_subscribes_to_a_feed_is_sent_what_is_new_and_what_was_taken_down(api: httpx.Client) -> None:
    article = post(api)
    eventually(lambda: article["uri"] in items(api, "all"), within_s=20)
    links = api.get("/feeds/all.atom").links

    with Receivers(_confirming) as receivers:
        form = {"hub.mode": "subscribe", "hub.topic": links["self"]["url"], "hub.callback": receivers.url()}
        assert api.post(httpx.URL(links["hub"]["url"]).path, data=form).status_code == 202
        eventually(lambda: any(one.method == "GET" for one in receivers.received()))
        corrected = post(api, title="Đính chính: 24 km")
        eventually(lambda: _shows(receivers, corrected["title"]))
        api.delete(f"/v1/articles/{article['id']}", params={"reason": "sai"})
        eventually(lambda: _shows(receivers, "deleted-entry") and not _shows(receivers, corrected["title"]))


def _confirming(received: Received) -> Reply:
    asked = httpx.URL(f"http://callback{received.path}").params
    return Reply(status=200, body=asked.get("hub.challenge", "").encode())


def _shows(receivers: Receivers, words: str) -> bool:
    """Return whether the newest document that came has these words."""
    documents = [one for one in receivers.received() if one.method == "POST"]
    return bool(documents) and words in documents[-1].body.decode()
