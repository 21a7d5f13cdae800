"""The newest document of a topic, sent to a subscriber.

Source: WebSub, section 7, “Content Distribution”.
"""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

from publisher.notify.outcome import GONE, Answer, Consequence, DeliveryState, Outcome
from publisher.notify.schedule import next_attempt_at, parse_retry_after
from publisher.notify.sending import Request
from publisher.notify.webhook import USER_AGENT

PAUSES: tuple[timedelta, ...] = (
    timedelta(seconds=5),
    timedelta(seconds=30),
    timedelta(minutes=2),
    timedelta(minutes=10),
    timedelta(hours=1),
)
"""Before each attempt but the first; after the last one, the subscriber waits for what comes next."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Distribution:
    """A document to a callback.

    Attributes:
        sequence: the feed's generation.
        link: the header that names hub and topic.
        secret: None: the subscriber wants no signature.
    """

    keeps_answer: ClassVar = False
    accepted_at: ClassVar[None] = None
    traceparent: ClassVar[None] = None

    sequence: int
    content_type: str
    link: str
    body: bytes
    secret: bytes | None = None

    def request(self, url: str, *, at: datetime, traceparent: str | None) -> Request:
        """Return the request of one attempt: what is signed is what is sent."""
        headers = {"content-type": self.content_type, "link": self.link, "user-agent": USER_AGENT}
        if self.secret is not None:
            digest = hmac.digest(self.secret, self.body, hashlib.sha256).hex()
            headers["x-hub-signature"] = f"sha256={digest}"
        return Request(url=url, headers=headers, body=self.body)

    def judge(self, answer: Answer, *, attempts: int, at: datetime, jitter: float) -> Outcome:
        """Return what follows from an answer: whoever is gone is subscribed no more."""
        if answer.succeeded:
            return Outcome(state=DeliveryState.SUCCEEDED)
        if answer.status == GONE:
            return Outcome(state=DeliveryState.CANCELLED, consequence=Consequence.SUBSCRIPTION_OVER)
        wait = parse_retry_after(answer.headers.get("retry-after"), at=at)
        again_at = next_attempt_at(attempts, at=at, jitter=jitter, retry_after=wait, pauses=PAUSES)
        return Outcome(
            state=DeliveryState.PENDING if again_at else DeliveryState.FAILED,
            next_attempt_at=again_at,
            paused_until=at + wait if wait else None,
        )
