"""The demo's way in: the API, like anybody's."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Self
from zoneinfo import ZoneInfo

import httpx
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from publisher.access import Scope, create_key, list_keys, revoke_key
from publisher.article import ArticleStatus
from publisher.database import Sessions
from publisher.ingest.decision import Outcome
from publisher.ingest.submission import Submission
from workers.demo.board import Board, Stage
from workers.demo.subscriber import Subscriber
from workers.documents import article_json

_NAME = "publisher demo"
_TIMEOUT_S = 5.0


@contextmanager
def demo_key(sessions: Sessions) -> Iterator[str]:
    """Yield a fresh key that may do everything; afterwards it is void, as are those of killed demos."""
    with sessions.begin() as session:
        _revoke_demo_keys(session)
        _, plain = create_key(session, name=_NAME, scopes=[Scope.ADMIN])
    try:
        yield plain
    finally:
        with suppress(DBAPIError), sessions.begin() as session:
            _revoke_demo_keys(session)


@dataclass(frozen=True, kw_only=True)
class DemoClient:
    """Speaks to the API with a key."""

    http: httpx.Client
    zone: ZoneInfo

    @classmethod
    @contextmanager
    def of(cls, url: str, key: str, zone: ZoneInfo) -> Iterator[Self]:
        """Yield a client of the web process at this address; afterwards nobody is subscribed any more."""
        headers = {"Authorization": f"Bearer {key}"}
        with httpx.Client(base_url=url, headers=headers, timeout=_TIMEOUT_S, trust_env=False) as http:
            client = cls(http=http, zone=zone)
            try:
                yield client
            finally:
                with suppress(httpx.HTTPError):
                    client.unsubscribe()

    def subscribe(self, subscriber: Subscriber) -> None:
        """Register the subscriber; those of demos that were killed listen no more, and go."""
        self.unsubscribe()
        wanted = {"url": subscriber.url, "description": _NAME}
        subscriber.trust(self._call("POST", "/v1/endpoints", json=wanted)["secret"])

    def unsubscribe(self) -> None:
        """Remove the subscribers of demos."""
        for endpoint in self._call("GET", "/v1/endpoints", params={"limit": 100})["data"]:
            if endpoint["description"] == _NAME:
                self.http.delete(f"/v1/endpoints/{endpoint['id']}").raise_for_status()

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


def _revoke_demo_keys(session: Session) -> None:
    for key in list_keys(session):
        if key.name == _NAME and key.revoked_at is None:
            revoke_key(session, key.id)


def _expected(article: Mapping[str, Any], submission: Submission) -> frozenset[Stage]:
    if article["outcome"] != Outcome.UNCHANGED:
        return frozenset(Stage) if submission.notify else frozenset(Stage) - {Stage.DELIVERED}
    if article["status"] == ArticleStatus.SCHEDULED:
        return frozenset({Stage.RECEIVED})
    return frozenset({Stage.RECEIVED, Stage.IN_FEEDS})
