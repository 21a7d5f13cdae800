"""What a feed is, in every format: its own fields, its addresses, and what was taken out of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class FeedFormat(StrEnum):
    """A format that readers subscribe to; the value is the ending of its address."""

    ATOM = "atom"
    RSS = "rss"
    JSON = "json"

    @property
    def media_type(self) -> str:
        """The media type without parameters, as links name it."""
        return _MEDIA_TYPES[self]

    @property
    def content_type(self) -> str:
        """The value of the `Content-Type` header."""
        return f"{self.media_type}; charset=utf-8"


_MEDIA_TYPES = {
    FeedFormat.ATOM: "application/atom+xml",
    FeedFormat.RSS: "application/rss+xml",
    FeedFormat.JSON: "application/feed+json",
}


@dataclass(frozen=True, kw_only=True)
class Feed:
    """A feed without its entries.

    Attributes:
        uri: the permanent id, the same whatever the host; only Atom shows it.
        url: where it is served, without the ending of a format: `https://…/feeds/all`.
        query: what stands behind that ending: `?q=…`.
        previous: where what is older is served, the same way; None if nothing is (RFC 5005, section 4).
        archive_of: the feed whose archive this is a page of; None: it is no such page.
        hub: where readers ask to be sent what is new (WebSub); None if nowhere.
        home_url: a page for people.
        author: stands for entries that name nobody; never empty.
        language: BCP 47.
        description: one sentence; the title stands in for an empty one.
        updated: the newest `updated` of its entries; for an empty feed the instant of the last
            change that is known, and never the instant of rendering.
    """

    uri: str
    url: str
    home_url: str
    title: str
    author: str
    language: str
    updated: datetime
    query: str = ""
    description: str = ""
    previous: str | None = None
    archive_of: str | None = None
    hub: str | None = None

    def links(self, feed_format: FeedFormat) -> Mapping[str, str]:
        """Return the addresses of this document and of its neighbours in one format, by relation."""
        places = {"self": self.url, "prev-archive": self.previous, "current": self.archive_of}
        return {
            relation: f"{url}.{feed_format}{self.query}"
            for relation, url in places.items()
            if url is not None
        }


@dataclass(frozen=True, kw_only=True)
class Tombstone:
    """An entry that was taken out of a feed (RFC 6721, “deleted-entry”)."""

    article_id: UUID
    uri: str
    when: datetime
