"""Private feeds as clients see them."""

from datetime import datetime
from typing import Self
from uuid import UUID

from pydantic import BaseModel, Field

from publisher.private_feeds import PrivateFeed


class PrivateFeedOut(BaseModel):
    """A private feed, without its token."""

    id: UUID
    name: str
    feed: str = Field(description="What it shows: `all`, or `<kind>/<slug>`.")
    created_at: datetime
    rotated_at: datetime | None = Field(description="When its token was last replaced.")
    revoked_at: datetime | None = Field(description="Set once its token is void.")

    @classmethod
    def of(cls, feed: PrivateFeed, **members: object) -> Self:
        """Return what is shown of a private feed; `members` besides its own."""
        return cls.model_validate({**vars(feed), **members})


class NewPrivateFeedOut(PrivateFeedOut):
    """A private feed with a new token."""

    urls: dict[str, str] = Field(description="By format. Shown this once: whoever has one reads the feed.")


class PrivateFeedList(BaseModel):
    """A part of the list."""

    data: list[PrivateFeedOut]
    has_more: bool
    next_cursor: str | None
