"""What a delivery puts on the wire, and what the answer means: each kind of receiver has its own way."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from publisher.notify.outcome import Answer, Outcome


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One HTTP request.

    Attributes:
        url: requested exactly as it is written.
        headers: ours; no value may hold a line break.
    """

    method: str = "POST"
    url: str
    headers: Mapping[str, str]
    body: bytes = b""


class Sending(Protocol):
    """What is sent, each time that it is tried."""

    @property
    def keeps_answer(self) -> bool:
        """Whether what the receiver writes is kept: only of those that we know."""

    @property
    def sequence(self) -> int | None:
        """Which of several that overtake each other it is; None: it is the only one."""

    @property
    def accepted_at(self) -> datetime | None:
        """Since when there was something to tell, if it is about an article."""

    @property
    def traceparent(self) -> str | None:
        """The trace context of the request that led to it, if it bore one."""

    def request(self, url: str, *, at: datetime, traceparent: str | None) -> Request:
        """Return the request of one attempt.

        Args:
            url: of the endpoint.
            at: when the attempt begins.
            traceparent: what the receiver is told; None: that it belongs to no trace.
        """

    def judge(self, answer: Answer, *, attempts: int, at: datetime, jitter: float) -> Outcome:
        """Return what follows from the answer to an attempt.

        Args:
            attempts: tries made so far, this one included; 1 or more.
            at: when this one ended.
            jitter: -1 to 1, drawn anew each time.
        """
