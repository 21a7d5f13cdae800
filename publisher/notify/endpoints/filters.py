"""What an endpoint asks for: types of events, and categories of articles."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any

from publisher.article import category_of
from publisher.events import EventType

DELIVERED = (
    EventType.ARTICLE_PUBLISHED,
    EventType.ARTICLE_CORRECTED,
    EventType.ARTICLE_RETRACTED,
    EventType.ENDPOINT_TEST,
    EventType.ENDPOINT_DISABLED,
)
"""The events that endpoints can be told of; the others are our own."""

EVERYTHING = "*"
PATTERNS = (*DELIVERED, *dict.fromkeys(f"{one.partition('.')[0]}.*" for one in DELIVERED), EVERYTHING)
"""Everything that may stand in `event_types`."""

_ARTICLES = "article."


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which events an endpoint is told of.

    Attributes:
        event_types: of `PATTERNS`; one that fits is enough.
        categories: as people write them; an article in one of them is enough. None is all articles, those
            without a category too. They narrow events about articles only.
    """

    event_types: tuple[str, ...]
    categories: tuple[str, ...] | None = None

    @cached_property
    def slugs(self) -> frozenset[str] | None:
        """The categories as they are compared; None is all."""
        return None if self.categories is None else frozenset(map(category_slug, self.categories))

    def as_json(self) -> dict[str, Any]:
        """Return the form that `filter_of` reads."""
        categories = None if self.categories is None else list(self.categories)
        return {"event_types": list(self.event_types), "categories": categories}


NOTHING = Filter(event_types=())
"""Of those who are told of no events, but sent documents of feeds."""


def filter_of(raw: Mapping[str, Any]) -> Filter:
    """Return the filter that `as_json` wrote."""
    categories = raw["categories"]
    return Filter(
        event_types=tuple(raw["event_types"]),
        categories=None if categories is None else tuple(categories),
    )


def filter_hash(wanted: Filter) -> bytes:
    """Return 32 bytes that are equal for filters which differ in order or spelling only."""
    canonical = {
        "categories": None if wanted.slugs is None else sorted(wanted.slugs),
        "event_types": sorted(set(wanted.event_types)),
    }
    return sha256(json.dumps(canonical, sort_keys=True, separators=(",", ":")).encode()).digest()


def asks_for(wanted: Filter, event_type: str) -> bool:
    """Return whether the filter covers events of this type, whatever the article."""
    family = event_type.partition(".")[0]
    return any(pattern in (event_type, f"{family}.*", EVERYTHING) for pattern in wanted.event_types)


def matches(wanted: Filter, event_type: str, category_slugs: Collection[str] = ()) -> bool:
    """Return whether an event is one that the filter asks for.

    Args:
        category_slugs: of the article, as `category_slug` returns them.
    """
    if not asks_for(wanted, event_type):
        return False
    if wanted.slugs is None or not event_type.startswith(_ARTICLES):
        return True
    return not wanted.slugs.isdisjoint(category_slugs)


def category_slug(name: str) -> str:
    """Return what categories are compared by: `Xã hội`, `XÃ HỘI` and `xa-hoi` are one."""
    return category_of(name).term
