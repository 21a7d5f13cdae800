"""A delivery in the hands of a sender."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from publisher.notify.endpoints.health import Health
from publisher.notify.sending import Sending


class Claimed(NamedTuple):
    """A delivery that this sender is about to try; no row says so, the lease of its shard does.

    A tuple, as `Due`: it is made in a third of the time. To be made by the names of its members only.

    Attributes:
        token: of that lease.
        sequence: of what is sent: the revision's, or the generation of the feed's document.
        attempts: made before this one.
        timeout_s: None: the default.
        trigger: why this attempt is made: `auto`, `manual` or `replay`.
        max_in_flight: how many requests at a time the endpoint takes; 1 if it keeps an order.
        since: when the shard became ours, on the monotonic clock.
        due_at: when it was to be sent; whoever lets it come due again meanwhile changes that.
        breaks: how often the endpoint's circuit opened without closing in between; with any, this is a probe.
        health: None: it is a subscriber of feeds, who is never given up, since its lease ends by itself.
        is_question: a subscriber is asked what it wants, which says nothing of what it takes.
    """

    id: UUID
    shard: int
    token: int
    endpoint_id: UUID
    message_id: UUID
    sequence: int | None
    attempts: int
    trigger: str
    url: str
    timeout_s: float | None
    max_in_flight: int
    sending: Sending
    rate_per_s: float | None = None
    fifo: bool = False
    since: float = 0.0
    breaks: int = 0
    due_at: datetime | None = None
    health: Health | None = None
    is_question: bool = False
