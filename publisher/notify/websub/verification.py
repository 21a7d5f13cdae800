"""What a callback is asked before anything changes, and what it is told when a subscription is refused.

Source: WebSub, sections 5.2, “Subscription Validation”, and 5.3, “Hub Verifies Intent of the Subscriber”.
"""

import hmac
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from urllib.parse import quote, urlencode

from publisher.notify.outcome import Answer, Consequence, DeliveryState, Outcome
from publisher.notify.sending import Request
from publisher.notify.webhook import USER_AGENT
from publisher.notify.websub.form import Mode


@dataclass(frozen=True, kw_only=True, slots=True)
class Verification:
    """A GET to a callback. It is asked once: whoever does not say yes has said no.

    Attributes:
        topic: exactly as the subscriber wrote it.
        lease_s: of `subscribe` only.
        challenge: what the answer has to be; empty for `denied`, whose answer does not matter.
        reason: of `denied` only.
    """

    sequence: ClassVar[None] = None
    keeps_answer: ClassVar = False
    accepted_at: ClassVar[None] = None
    traceparent: ClassVar[None] = None

    mode: Mode
    topic: str
    challenge: str = ""
    lease_s: int | None = None
    reason: str | None = None

    def request(self, url: str, *, at: datetime, traceparent: str | None) -> Request:
        """Return the request: what the callback's address asked already stays as it is."""
        said = {
            "hub.mode": self.mode,
            "hub.topic": self.topic,
            "hub.challenge": self.challenge or None,
            "hub.lease_seconds": self.lease_s,
            "hub.reason": self.reason,
        }
        query = urlencode({name: value for name, value in said.items() if value is not None}, quote_via=quote)
        joint = "?" if "?" not in url else "" if url.endswith(("?", "&")) else "&"
        return Request(method="GET", url=url + joint + query, headers={"user-agent": USER_AGENT})

    def judge(self, answer: Answer, *, attempts: int, at: datetime, jitter: float) -> Outcome:
        """Return what follows from an answer: yes is any 2xx whose body is the challenge, nothing else."""
        if self.mode is Mode.DENIED:
            return Outcome(state=_ended(answer.succeeded), consequence=Consequence.DENIED)
        whole = answer.succeeded and answer.error is None
        confirmed = whole and hmac.compare_digest(answer.body, self.challenge.encode())
        consequence = Consequence.CONFIRMED if confirmed else Consequence.NOT_CONFIRMED
        return Outcome(state=_ended(confirmed), consequence=consequence)


def _ended(well: bool) -> DeliveryState:
    # Nothing was given up that somebody waits for.
    return DeliveryState.SUCCEEDED if well else DeliveryState.CANCELLED
