"""Where a search has its feed: one address a format, whatever words it was asked with."""

from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import quote, urlencode

from feeds.feed import FeedFormat
from feeds.search.query import Search
from publisher.labels import LabelKind

SEARCH_PATH = "/feeds/search"
"""Without the ending of a format, and without what is searched for."""


@dataclass(frozen=True, kw_only=True)
class SearchAddress:
    """A search in one format.

    It searches the feed of everything, so what was found is good as long as that has not changed. Nobody
    makes it anew before somebody asks: there are as many searches as people care to think of.
    """

    kind: ClassVar = LabelKind.ALL
    slug: ClassVar = "all"
    places: ClassVar = None
    is_private: ClassVar = False
    is_renewed: ClassVar = False
    is_topic: ClassVar = False

    search: Search
    format: FeedFormat

    @property
    def path(self) -> str:
        """The path of its only address, with the query."""
        return f"{SEARCH_PATH}.{self.format}?{self.parameters}"

    @property
    def parameters(self) -> str:
        """The query of its address: names in order, percent-encoded."""
        asked = [("category", slug) for slug in self.search.categories]
        if self.search.language:
            asked.append(("lang", self.search.language))
        return urlencode([*asked, ("q", self.search.q)], quote_via=quote, safe="")
