"""What has become of accepted articles: in the record, in the feeds, and in a receiver's own ledger."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
from compose_check.failure import check_that, wait_for
from standardwebhooks.webhooks import Webhook

# A feed has 1,000 entries at most, ordered by when they became public.
_SURELY_IN_FEED = 500


@dataclass(frozen=True, kw_only=True)
class Subscription:
    """An endpoint, and where its receiver shows what it got."""

    endpoint: str
    secret: str
    ledger: str


class Outcome:
    """Compares what clients were promised with what is there."""

    def __init__(self, api: httpx.Client, subscription: Subscription) -> None:
        self._api = api
        self._subscription = subscription
        self._verified = 0
        self._messages_of: dict[str, set[str]] = defaultdict(set)

    def settle(self, accepted: Sequence[str], *, within_s: float = 180) -> None:
        """Wait until every accepted article is public and delivered, then compare in detail.

        Raises:
            CheckError: when one is missing somewhere, or was told of in two messages.
        """
        wanted = set(accepted)
        self.is_kept(accepted, within_s=within_s)
        wait_for(lambda: wanted - set(self._told()), "not told to the receiver", within_s=within_s)
        told = self._told()
        check_that((one for one in wanted if len(told[one]) != 1), "told of in more than one message")
        check_that(self._messages() - set().union(*told.values()), "messages that the receiver never got")
        revised = (one["id"] for one in self._articles() if one["id"] in wanted and one["sequence"] != 1)
        check_that(revised, "came in more than once")

    def is_kept(self, accepted: Sequence[str], *, within_s: float = 180) -> None:
        """Wait until every accepted article is public, and every delivery on record has succeeded.

        Raises:
            CheckError: when one is missing.
        """
        newest = set(accepted[-_SURELY_IN_FEED:])
        wait_for(lambda: set(accepted) - set(self._published()), "not published", within_s=within_s)
        wait_for(lambda: newest - self._in_feed(), "not in the feed", within_s=within_s)
        wait_for(self._undelivered, "deliveries that have not succeeded", within_s=within_s)

    def _published(self) -> Iterator[str]:
        return (one["id"] for one in self._articles() if one["status"] == "published")

    def _articles(self) -> Iterator[dict[str, Any]]:
        return self._pages("/v1/articles")

    def _in_feed(self) -> set[str]:
        items = self._api.get("/feeds/all.json").raise_for_status().json()["items"]
        return {one["id"].rpartition("/")[2] for one in items}

    def _deliveries(self) -> Iterator[dict[str, Any]]:
        return self._pages(f"/v1/endpoints/{self._subscription.endpoint}/deliveries")

    def _undelivered(self) -> list[str]:
        return [f"{one['id']} is {one['state']}" for one in self._deliveries() if one["state"] != "succeeded"]

    def _messages(self) -> set[str]:
        return {one["message_id"] for one in self._deliveries()}

    def _told(self) -> dict[str, set[str]]:
        """Return the ids of the messages that the receiver got, by article; every signature is checked."""
        received = httpx.get(self._subscription.ledger, trust_env=False, timeout=20).raise_for_status().json()
        # Each once: a signature is good for five minutes.
        for one in received[self._verified :]:
            event = Webhook(self._subscription.secret).verify(one["body"], one["headers"])
            if event["type"] == "article.published":
                self._messages_of[event["data"]["id"]].add(one["headers"]["webhook-id"])
        self._verified = len(received)
        return self._messages_of

    def _pages(self, path: str) -> Iterator[dict[str, Any]]:
        parameters: dict[str, str] = {"limit": "100"}
        while True:
            page = self._api.get(path, params=parameters).raise_for_status().json()
            yield from page["data"]
            if not page["has_more"]:
                return
            parameters["cursor"] = page["next_cursor"]
