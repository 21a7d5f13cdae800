"""A span, as the rest of this package sees it."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol

Attributes = Mapping[str, str | int]


class Kind(StrEnum):
    """Which side of a conversation a span is."""

    SERVER = "SERVER"
    CONSUMER = "CONSUMER"
    CLIENT = "CLIENT"


class Span(Protocol):
    """Something that takes time, under the trace that it belongs to."""

    @property
    def traceparent(self) -> str:
        """The trace context to hand on, in which this span is the parent."""

    def end(self, attributes: Attributes, *, name: str | None = None, error: str | None = None) -> None:
        """End it.

        Args:
            name: that is known only now.
            error: why it failed; None if it did not.
        """


class Spans(Protocol):
    """Makes spans, and sends those that ended to wherever they are collected."""

    def begin(
        self, name: str, *, kind: Kind, parent: str | None, attributes: Attributes, since_s: float = 0
    ) -> Span:
        """Return a span that has begun.

        Args:
            parent: a traceparent; None: it begins a trace.
            since_s: for so long already.
        """

    def close(self) -> None:
        """Send what is left, and stop."""
