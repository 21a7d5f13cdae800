"""How many requests a second an endpoint is sent: a token bucket for each that says a number."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from uuid import UUID

BURST_S = 1.0
"""What an endpoint was not sent for so long comes at once; at least one request does."""


def capacity_of(rate_per_s: float) -> float:
    """Return how many tokens a bucket holds."""
    return max(1.0, rate_per_s * BURST_S)


def tokens_since(since: float, rate_per_s: float, *, at: float) -> float:
    """Return the tokens of a bucket that was empty at an instant and nothing was taken from.

    What another sender sent before we owned the shard is not known to us, so a bucket of ours begins empty
    with the term in which we own it: the rate holds across all senders.

    Args:
        since: when the term began, on the monotonic clock.
    """
    return min(capacity_of(rate_per_s), max(0.0, at - since) * rate_per_s)


@dataclass(kw_only=True, slots=True)
class _Bucket:
    rate_per_s: float
    tokens: float
    at: float

    def fill(self, at: float) -> None:
        grown = self.tokens + (at - self.at) * self.rate_per_s
        self.tokens, self.at = min(capacity_of(self.rate_per_s), grown), at


class Rates:
    """The buckets that are not full."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Know no endpoint.

        Args:
            clock: seconds that never go back.
        """
        self._clock = clock
        self._buckets: dict[UUID, _Bucket] = {}

    def take(self, endpoint: UUID, rate_per_s: float, *, since: float) -> None:
        """Take a token for a request that begins, whether there is one or not.

        Args:
            rate_per_s: as the endpoint says by now.
            since: when we began to own its shard, on the monotonic clock.
        """
        now = self._clock()
        bucket = self._buckets.get(endpoint)
        if bucket is None:
            tokens = tokens_since(since, rate_per_s, at=now)
            bucket = self._buckets[endpoint] = _Bucket(rate_per_s=rate_per_s, tokens=tokens, at=now)
        bucket.fill(now)
        bucket.rate_per_s = rate_per_s
        bucket.tokens -= 1

    def tokens(self) -> Mapping[UUID, float]:
        """Return what is in each bucket now; full ones are forgotten."""
        now = self._clock()
        for endpoint, bucket in list(self._buckets.items()):
            bucket.fill(now)
            if bucket.tokens >= capacity_of(bucket.rate_per_s):
                del self._buckets[endpoint]
        return {endpoint: bucket.tokens for endpoint, bucket in self._buckets.items()}

    def opens_in(self, endpoint: UUID) -> float:
        """Return in how many seconds an endpoint may be sent a request; 0 is now."""
        bucket = self._buckets.get(endpoint)
        if bucket is None:
            return 0.0
        bucket.fill(self._clock())
        return max(0.0, (1 - bucket.tokens) / bucket.rate_per_s)
