"""What came of an attempt, and what follows from it for the delivery and its endpoint."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from publisher.notify.schedule import next_attempt_at, parse_retry_after

GONE = 410
"""The status with which a receiver says that it wants nothing more, ever."""


_DISABLE, _ABORT = "disable", "abort-message"


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    HELD = "held"
    CANCELLED = "cancelled"


class ErrorKind(StrEnum):
    """Why an attempt brought no complete answer: none at all, or only the beginning of one."""

    REFUSED_ADDRESS = "refused_address"  # ours to refuse: private, reserved; nothing was sent
    BAD_URL = "bad_url"  # cannot be requested at all; nothing was sent
    DNS = "dns"  # the name does not resolve
    CONNECT = "connect"  # nobody answered at the address
    TLS = "tls"  # the certificate does not fit, or no TLS is spoken
    TIMEOUT = "timeout"  # not done by the deadline
    DISCONNECTED = "disconnected"  # the receiver hung up before its answer was complete
    PROTOCOL = "protocol"  # what it answered is not HTTP as we accept it


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What one attempt brought: a status, or the reason why there is none.

    A status says what the receiver has decided, and counts as soon as the head of its answer is there: who
    then hangs up, or does not finish by the deadline, only leaves us with less of a body.

    Attributes:
        status: None if not even the head of an answer came.
        error: what kept the answer from being complete; None if it is.
        detail: the error as one sentence for the operator; empty without an error.
        headers: text that the record can hold, names in lower case; what we act on (`retry-after`,
            `webhook-delivery`) is always among them.
        body: the first 16 kB of it, as far as they came, never decompressed.
        address: the one connected to, or tried last; None if it did not come to that.
        duration_ms: from the look-up of the name to the last byte read.
    """

    status: int | None = None
    error: ErrorKind | None = None
    detail: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    address: str | None = None
    duration_ms: int = 0

    @property
    def succeeded(self) -> bool:
        """Whether the receiver took the webhook: any 2xx. Redirects are not followed: failures."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def text(self) -> str:
        """The body as text that the record can hold: bad UTF-8 and NUL replaced."""
        return self.body.decode("utf-8", "replace").replace("\x00", "\ufffd")


class Consequence(StrEnum):
    """What an answer means for more than its delivery; done before the attempt is recorded."""

    ENDPOINT_GONE = "endpoint_gone"  # the endpoint is disabled, and what waits for it held
    ENDPOINT_DECLINES = "endpoint_declines"  # the same: its receiver asked for it
    ENDPOINT_FAILING = "endpoint_failing"  # the same, if it has failed for days
    SUBSCRIPTION_OVER = "subscription_over"  # the subscription ends
    CONFIRMED = "confirmed"  # what a subscriber was asked is what it wants
    DENIED = "denied"  # it was told that its subscription is over, which it is now
    NOT_CONFIRMED = "not_confirmed"  # it is not; all stays as it was


OF_ENDPOINTS = (Consequence.ENDPOINT_GONE, Consequence.ENDPOINT_DECLINES, Consequence.ENDPOINT_FAILING)
"""What ends all that is sent to an endpoint."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What follows from an attempt.

    Attributes:
        state: pending (again), succeeded, failed, cancelled, or held because the endpoint is to be disabled.
        next_attempt_at: set exactly when pending.
        paused_until: not before this instant may anything be sent to the endpoint.
        declined: the receiver wants nothing more of this message, which says nothing of others.
    """

    state: DeliveryState
    next_attempt_at: datetime | None = None
    consequence: Consequence | None = None
    paused_until: datetime | None = None
    declined: bool = False


def judge(answer: Answer, *, attempts: int, at: datetime, jitter: float) -> Outcome:
    """Return what follows from the answer to an attempt.

    Args:
        attempts: tries made so far, this one included; 1 or more.
        at: when this one ended.
        jitter: -1 to 1, drawn anew each time.

    `webhook-delivery: disable` ends all that is sent to the endpoint, `abort-message` the attempts of this
    message.

    Source: Standard Webhooks 1.0.0, “Deliverability and reliability”; its proposal 291 for the header.
    """
    wish = answer.headers.get("webhook-delivery", "").strip().lower()
    consequence = Consequence.ENDPOINT_DECLINES if wish == _DISABLE else None
    if answer.succeeded:
        return Outcome(state=DeliveryState.SUCCEEDED, consequence=consequence)
    if answer.status == GONE or consequence:
        return Outcome(state=DeliveryState.HELD, consequence=consequence or Consequence.ENDPOINT_GONE)
    wait = parse_retry_after(answer.headers.get("retry-after"), at=at)
    paused_until = at + wait if wait else None
    declined = wish == _ABORT
    again_at = None
    if not declined:
        again_at = next_attempt_at(attempts, at=at, jitter=jitter, retry_after=wait)
    state = DeliveryState.PENDING if again_at else DeliveryState.FAILED
    return Outcome(state=state, next_attempt_at=again_at, paused_until=paused_until, declined=declined)
