"""How this installation's feeds look: the settings that every document carries."""

from dataclasses import dataclass
from typing import Self

from publisher.settings import Settings

HUB_PATH = "/hub"


@dataclass(frozen=True, kw_only=True)
class FeedStyle:
    """What all feeds share.

    Attributes:
        length: entries in a document at most.
        tag_domain: inside the permanent ids of feeds.
    """

    title: str
    author: str
    language: str
    base_url: str
    tag_domain: str
    length: int

    @property
    def hub_url(self) -> str:
        """Where readers ask to be sent what is new (WebSub)."""
        return self.base_url + HUB_PATH

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the style that the settings ask for."""
        return cls(
            title=settings.feed_title,
            author=settings.feed_author,
            language=settings.language,
            base_url=settings.base_url,
            tag_domain=settings.ids_domain,
            length=settings.feed_length,
        )
