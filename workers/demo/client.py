"""The demo's way in: the API, like anybody's."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self
from zoneinfo import ZoneInfo

import httpx

from publisher.access import Scope, create_key, list_keys, revoke_key
from publisher.article import ArticleStatus
from publisher.database import Sessions
from publisher.ingest.decision import Outcome
from publisher.ingest.submission import Submission
from workers.demo.board import Board, Stage
from workers.demo.subscriber import Subscriber
from workers.documents import article_json

_NAME = "publisher demo"
_TIMEOUT_S = 10.0


def make_demo_key(sessions: Sessions) -> str:
    """Return a fresh key that may do everything; those of earlier demos are void from now on."""
    with sessions.begin() as session:
        for key in list_keys(session):
            if key.name == _NAME and key.revoked_at is None:
                revoke_key(session, key.id)
        return create_key(session, name=_NAME, scopes=[Scope.ADMIN])[1]


@dataclass(frozen=True, kw_only=True)
class DemoClient:
    """Speaks to the API with a key."""

    http: httpx.Client
    zone: ZoneInfo

    @classmethod
    @contextmanager
    def of(cls, url: str, key: str, zone: ZoneInfo) -> Iterator[Self]:
        """Yield a client of the web process at this address."""
        headers = {"Authorization": f"Bearer {key}"}
        with httpx.Client(base_url=url, headers=headers, timeout=_TIMEOUT_S, trust_env=False) as http:
            yield cls(http=http, zone=zone)

    def subscribe(self, subscriber: Subscriber) -> None:
        """Register the subscriber; those of earlier demos listen no more, and go."""
        earlier = self._call("GET", "/v1/endpoints", params={"limit": 100})["data"]
        for endpoint in earlier:
            if endpoint["description"] == _NAME:
                self.http.delete(f"/v1/endpoints/{endpoint['id']}").raise_for_status()
        wanted = {"url": subscriber.url, "description": _NAME}
        subscriber.trust(self._call("POST", "/v1/endpoints", json=wanted)["secret"])

    def send(self, board: Board, number: int, submission: Submission) -> None:
        """Send an article in, and note what the API says about it."""
        board.change(number, sent_at=time.time())
        try:
            answer = self.http.post("/v1/articles", json=article_json(submission, zone=self.zone))
        except httpx.TransportError as error:
            board.change(number, note=f"the API did not answer ({error})")
            return
        at = time.time()
        article = answer.json()
        if answer.is_error:
            board.change(number, note=f"{answer.status_code} {article['detail']}")
            return
        paths = ["/feeds/all", *(f"/feeds/category/{one['term']}" for one in article["categories"])]
        board.change(
            number,
            article_id=article["id"],
            uri=article["uri"],
            sequence=article["sequence"],
            feeds=list(dict.fromkeys(paths)),
            expected=_expected(article, submission),
            note=Outcome.UNCHANGED if article["outcome"] == Outcome.UNCHANGED else "",
        )
        board.reach(number, Stage.RECEIVED, at=at)

    def _call(self, method: str, path: str, **request: Any) -> Any:
        answer = self.http.request(method, path, **request)
        answer.raise_for_status()
        return answer.json()


def _expected(article: Mapping[str, Any], submission: Submission) -> frozenset[Stage]:
    if article["outcome"] != Outcome.UNCHANGED:
        return frozenset(Stage) if submission.notify else frozenset(Stage) - {Stage.DELIVERED}
    if article["status"] == ArticleStatus.SCHEDULED:
        return frozenset({Stage.RECEIVED})
    return frozenset({Stage.RECEIVED, Stage.IN_FEEDS})
