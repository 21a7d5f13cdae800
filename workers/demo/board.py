"""What is known of each article of the demo: where it has to go, and how far it is."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any


class Stage(StrEnum):
    """Where an article passes, in this order."""

    RECEIVED = "received"
    ENRICHED = "enriched"
    PUBLISHED = "published"
    IN_FEEDS = "in feeds"
    DELIVERED = "delivered"


@dataclass(frozen=True, kw_only=True)
class Journey:
    """One article of the demo.

    Attributes:
        sent_at: seconds since 1970.
        sequence: of the revision that was sent in.
        feeds: addresses of the feeds that it belongs to, without the ending of a format.
        expected: what it has to pass; of an unchanged article there is nothing new to tell anybody.
        reached: seconds after it was sent in.
        note: why it does not go on, if it does not.
    """

    title: str
    sent_at: float = 0.0
    article_id: str = ""
    uri: str = ""
    sequence: int = 0
    feeds: Sequence[str] = ()
    expected: frozenset[Stage] = frozenset(Stage)
    reached: Mapping[Stage, float] = field(default_factory=dict)
    note: str = ""

    @property
    def missing(self) -> list[Stage]:
        """What it has not passed yet, in order."""
        return [stage for stage in Stage if stage in self.expected and stage not in self.reached]


class Board:
    """Every journey; one thread finds out, another one shows."""

    def __init__(self, titles: Sequence[str]) -> None:
        self._journeys = [Journey(title=title) for title in titles]
        self._lock = threading.Lock()

    @property
    def journeys(self) -> list[Journey]:
        """All of them as they are now, in the order in which they are sent in."""
        with self._lock:
            return list(self._journeys)

    def change(self, number: int, **values: Any) -> None:
        """Note something new about one of them."""
        with self._lock:
            self._journeys[number] = replace(self._journeys[number], **values)

    def reach(self, number: int, stage: Stage, *, at: float) -> None:
        """Note that one of them has passed a stage, in seconds since 1970; the first time counts."""
        with self._lock:
            journey = self._journeys[number]
            seconds = max(0.0, at - journey.sent_at)
            self._journeys[number] = replace(journey, reached={stage: seconds, **journey.reached})
