"""A delivery that has come due, with what its endpoint says of itself."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID


class Due(NamedTuple):
    """What a look at the record has found; thousands a second, so it is no more than a tuple.

    Attributes:
        rate_per_s, fifo, enabled, timeout_s, url: of its endpoint.
        breaks: how often the endpoint's circuit opened without closing in between.
        most_at_once: requests that the endpoint takes at a time.
        topic_id: None: the endpoint is a webhook's; else it is a subscriber's, of this topic.
        is_subscribed: whether the subscriber's lease has not run out.
        urgent: it goes before what waits longer.
        due_in_s: the first of a line may not be due yet.
        is_in_turn: nothing older will come before it in its line.
        is_free: it can be sent now; else it only says how far the look came.
        place: in its shard, among what is due.
        recent: found among what came due in these seconds.
        is_last: the look through its shard ended here, and there may be more.
    """

    id: UUID
    shard: int
    endpoint_id: UUID
    message_id: UUID
    message_time: datetime
    sequence: int | None
    attempts: int
    trigger: str
    next_attempt_at: datetime
    url: str
    timeout_s: float | None
    rate_per_s: float | None
    fifo: bool
    enabled: bool
    breaks: int
    failing_since: datetime | None
    failed_at: datetime | None
    most_at_once: int
    deleted: bool
    topic_id: UUID | None
    is_subscribed: bool | None
    urgent: bool
    due_in_s: float
    is_in_turn: bool
    is_free: bool = True
    place: int = 0
    recent: bool = False
    is_last: bool = False
